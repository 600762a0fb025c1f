"""Downloads from a real HTTP server on this machine: good ones, and all kinds of bad ones."""

import gzip
import http.server
import os
import subprocess
import sys
import threading

import pytest

from gluon_cnn import GluonCNNError
from gluon_cnn.data import download
from gluon_cnn.errors import DataError

CONTENT = gzip.compress(bytes(range(256)) * 400, 0)
NAME = "file.gz"


class Server(http.server.ThreadingHTTPServer):
    """Answers each path's requests with the behaviours listed for it, the last one again and again."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviours, self.requests = {}, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def mirror(self, name, *behaviours):
        """A mirror's URL."""
        self.behaviours[f"/{name}/{NAME}"] = list(behaviours)
        return f"http://127.0.0.1:{self.server_port}/{name}/"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append((self.path, self.headers.get("Range")))
        behaviours = self.server.behaviours[self.path]
        (behaviours.pop(0) if len(behaviours) > 1 else behaviours[0])(self)

    def log_message(self, *_):
        pass


def whole(request, body=CONTENT):
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def ranges(request):
    wanted = request.headers.get("Range")
    if not wanted:
        return whole(request)
    start = int(wanted.split("=")[1].rstrip("-"))
    request.send_response(206)
    request.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
    request.send_header("Content-Length", str(len(CONTENT) - start))
    request.end_headers()
    request.wfile.write(CONTENT[start:])
    return None


def half(request):
    request.send_response(200)
    request.send_header("Content-Length", str(len(CONTENT)))
    request.end_headers()
    request.wfile.write(CONTENT[: len(CONTENT) // 2])


def other(request):
    whole(request, b"<html>log in to this network</html>")


def huge(request):
    request.send_response(200)
    request.send_header("Content-Length", str(10**12))
    request.end_headers()


def endless(request):
    request.send_response(302)
    request.send_header("Location", request.path)
    request.end_headers()


def status(code):
    return lambda request: request.send_error(code)


@pytest.fixture
def server():
    server = Server()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch):
    monkeypatch.setattr(download.time, "sleep", lambda _: None)


@pytest.fixture
def get(tmp_path, monkeypatch):
    """A function that gets the file from some mirrors; without Debian's package."""
    monkeypatch.setattr(download.shutil, "which", lambda _: None)

    def check(path):
        if path.read_bytes() != CONTENT:
            raise DataError("not the file")

    def get(*mirrors):
        download.get_files(
            "the set", tmp_path, mirrors, {NAME: check}, advice="try again", debian=("a-package", tmp_path / "nowhere")
        )
        return (tmp_path / NAME).read_bytes()

    return get


def left_in(directory):
    return sorted(path.name for path in directory.iterdir() if path.name != ".download.lock")


def test_whole_file(server, get, tmp_path):
    assert get(server.mirror("a", whole)) == CONTENT
    assert left_in(tmp_path) == [NAME]
    get(server.mirror("a", status(500)))  # what is there is not asked for again
    assert len(server.requests) == 1


@pytest.mark.parametrize("bad", [status(404), status(500), half, other, huge, endless])
def test_next_mirror_after_a_bad_one(server, get, tmp_path, bad):
    assert get(server.mirror("bad", bad), server.mirror("good", whole)) == CONTENT
    assert left_in(tmp_path) == [NAME]


def test_mirror_that_is_not_there(server, get):
    assert get("http://127.0.0.1:9/", server.mirror("good", whole)) == CONTENT


def test_server_error_is_tried_again(server, get):
    assert get(server.mirror("a", status(503), whole)) == CONTENT


def test_half_a_file_is_gone_on_with(server, get):
    assert get(server.mirror("a", half, ranges)) == CONTENT
    assert server.requests[-1][1] == f"bytes={len(CONTENT) // 2}-"


def test_server_that_refuses_ranges_sends_everything(server, get):
    assert get(server.mirror("a", half, whole)) == CONTENT


def test_part_of_another_file_is_thrown_away(server, get, tmp_path):
    (tmp_path / (NAME + ".part")).write_bytes(b"x" * 1000)
    assert get(server.mirror("a", ranges)) == CONTENT


def test_part_that_is_longer_than_the_file(server, get, tmp_path):
    (tmp_path / (NAME + ".part")).write_bytes(b"x" * (len(CONTENT) + 1))
    assert get(server.mirror("a", status(416), whole)) == CONTENT


def test_server_that_drips(server, get, monkeypatch):
    monkeypatch.setattr(download, "SLOW_AFTER", 0.3)
    stop = threading.Event()

    def drip(request):
        request.send_response(200)
        request.send_header("Content-Length", str(len(CONTENT)))
        request.end_headers()
        for byte in CONTENT[:100]:
            request.wfile.write(bytes([byte]))
            if stop.wait(0.05):
                break

    try:
        assert get(server.mirror("slow", drip), server.mirror("good", whole)) == CONTENT
    finally:
        stop.set()


def test_server_that_says_nothing(server, get, monkeypatch):
    monkeypatch.setattr(download, "READ_TIMEOUT", 0.2)
    stop = threading.Event()
    try:
        assert get(server.mirror("mute", lambda _: stop.wait(5)), server.mirror("good", whole)) == CONTENT
    finally:
        stop.set()


def test_failure_names_every_place_and_leaves_nothing(server, get, tmp_path):
    with pytest.raises(GluonCNNError, match=r"of the set cannot be.*HTTP status 404.*not a Debian system.*try again"):
        get(server.mirror("a", status(404)), server.mirror("b", other))
    assert left_in(tmp_path) == []


def test_directory_that_cannot_be_made(server, get, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(GluonCNNError, match="cannot be put into"):
        download.get_files("the set", tmp_path / "file" / "data", [], {}, advice="")


def test_two_processes_download_once(server, tmp_path):
    program = (
        "import pathlib, sys; from gluon_cnn.data import download\n"
        f"download.get_files('', pathlib.Path({str(tmp_path)!r}), [sys.argv[1]], {{{NAME!r}: bool}}, advice='')"
    )
    command = [sys.executable, "-c", program, server.mirror("a", whole)]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert len(server.requests) == 1


@pytest.mark.parametrize("left", [f"{NAME}.part", ".download.lock", NAME])
def test_links_and_pipes_are_not_written(server, get, tmp_path, left):
    (tmp_path / left).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(GluonCNNError, match=r"link or not a regular file|is no file"):
        get(server.mirror("a", whole))
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / left).unlink()
    os.mkfifo(tmp_path / left)
    with pytest.raises(GluonCNNError, match=r"link or not a regular file|is no file"):
        get(server.mirror("a", whole))
    assert (tmp_path / left).is_fifo()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The directory for the files of a package that is made here, in place of the one apt-get would download."""
    if not download.shutil.which("dpkg-deb"):
        pytest.skip("dpkg-deb is not installed")
    content = tmp_path / "package" / "usr" / "share" / "set"
    content.parent.mkdir(parents=True)
    control = tmp_path / "package" / "DEBIAN"
    control.mkdir()
    (control / "control").write_text(
        "Package: a-package\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\n"
    )
    run = subprocess.run

    def fake_apt(command, **options):
        if command[0] == "apt-get":
            command = ["dpkg-deb", "--build", str(tmp_path / "package"), str(options["cwd"] / "a-package.deb")]
        return run(command, **options)

    monkeypatch.setattr(download.subprocess, "run", fake_apt)
    return content


def get_from_package(target, check):
    place = download.Path("/usr/share/set")
    debian = "a-package", place
    download.get_files("the set", target, ["http://127.0.0.1:9/"], {NAME: check}, advice="", debian=debian)


def test_debian_package_is_unpacked_and_checked(tmp_path, package):
    package.mkdir()
    (package / NAME).write_bytes(CONTENT)
    target, checked = tmp_path / "target", []
    get_from_package(target, checked.append)
    assert (target / NAME).read_bytes() == CONTENT
    assert len(checked) == 1
    assert left_in(target) == [NAME]


@pytest.mark.parametrize("link", ["directory", "file"])
def test_links_in_a_package_are_not_followed(tmp_path, package, link):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / NAME).write_bytes(CONTENT)
    if link == "directory":
        package.symlink_to(outside)
    else:
        package.mkdir()
        (package / NAME).symlink_to(outside / NAME)
    with pytest.raises(DataError, match=f"the package has no {NAME}"):
        get_from_package(tmp_path / "target", lambda path: None)
    assert (outside / NAME).read_bytes() == CONTENT
    assert left_in(tmp_path / "target") == []
