"""Files that are written in one step: what was there before, whose it is, and what a killed process leaves."""

import errno
import os
import signal
import socket
import stat
from pathlib import Path

import pytest
from runs import run_process

from gluon_cnn.errors import RunError, SettingError
from gluon_cnn.files import leftovers, open_own, open_regular, remove_leftovers, write_atomically

ENDED = 2**22 + 1  # no process has this number on Linux


def write(path, text="new"):
    with write_atomically(path) as temporary:
        temporary.write_text(text)


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def names(directory):
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture(autouse=True)
def in_directory(tmp_path, monkeypatch):
    """Work in a directory, with the usual umask."""
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o022)
    yield
    os.umask(before)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


SPECIAL = {"FIFO": os.mkfifo, "socket": make_socket, "directory": Path.mkdir}


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("link", [False, True])
def test_only_regular_files_are_replaced(kind, link):
    path = Path("special")
    SPECIAL[kind](path)
    before = path.stat()
    if link:
        Path("link").symlink_to(path)
        path = Path("link")
    with pytest.raises(SettingError, match=rf"^{path} is not a regular file: choose another name\.$") as raised:
        write(path)
    assert raised.value.settings == ("out",)
    assert os.path.samestat(Path("special").stat(), before)
    assert names(Path()) == sorted({"special", path.name})


@pytest.mark.parametrize("links", [["there/file"], ["other", "there/file"], ["there/../there/file"]])
@pytest.mark.parametrize("exists", [True, False])
def test_links_stay_and_their_target_is_replaced(links, exists):
    Path("there").mkdir()
    if exists:
        Path("there/file").write_text("old")
    for name, target in zip(["link", "other"], links):
        Path(name).symlink_to(target)
    write("link")
    assert Path("there/file").read_text() == "new"
    assert not Path("there/file").is_symlink()
    assert [os.readlink(name) for name, _ in zip(["link", "other"], links)] == links
    assert names(Path("there")) == ["file"]


def test_error_names_a_held_directory_by_its_new_name(tmp_path):
    (tmp_path / "before").mkdir()
    os.mkfifo(tmp_path / "before" / "FIFO")
    descriptor = os.open(tmp_path / "before", os.O_RDONLY)
    (tmp_path / "before").rename(tmp_path / "now")
    held = Path(f"/proc/self/fd/{descriptor}/FIFO")
    try:
        with pytest.raises(SettingError, match=f"^{tmp_path / 'now' / 'FIFO'} is not a regular file"):
            write(held)
        with pytest.raises(RunError, match=f"^{tmp_path / 'now' / 'FIFO'} is a link or not a regular file"):
            open_own(held, "a")
    finally:
        os.close(descriptor)


def test_link_that_leads_nowhere_is_an_error():
    Path("one").symlink_to("two")
    Path("two").symlink_to("one")
    with pytest.raises(OSError, match="one") as raised:
        write("one")
    assert raised.value.errno == errno.ELOOP
    Path("link").symlink_to("missing/file")
    with pytest.raises(FileNotFoundError):
        write("link")
    assert names(Path()) == ["link", "one", "two"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o664, 0o400, 0o755])
def test_file_keeps_its_mode(mode):
    path = Path("file")
    path.write_text("old")
    path.chmod(mode)
    with write_atomically(path) as temporary:
        assert mode_of(temporary) == 0o600  # whatever is written, nobody else reads it meanwhile
        temporary.write_text("new")
    assert (mode_of(path), path.read_text()) == (mode, "new")


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_new_file_gets_the_umask_mode(umask, mode):
    os.umask(umask)
    write("file")
    assert mode_of(Path("file")) == mode


def test_failed_write_leaves_what_was_there():
    Path("file").write_text("old")
    with pytest.raises(OSError, match="file") as raised, write_atomically("file"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert raised.value.filename == "file"  # which the disk's error did not say
    with pytest.raises(ValueError, match="wrong"), write_atomically("file"):
        raise ValueError("wrong")
    assert (Path("file").read_text(), names(Path())) == ("old", ["file"])


@pytest.mark.parametrize("name", ["a" * 255, "é" * 125 + ".json", "." + "b" * 254])
def test_longest_names_can_be_written(name):
    write(name)
    with write_atomically(name) as temporary:
        assert temporary.name.endswith(name[-50:])  # what a library may choose its format by
        temporary.write_text("new")
    assert names(Path()) == [name]


#: Ends itself, as by SIGKILL, while it writes a file, and says the name that it writes to.
KILLED = """
import os, signal, sys
from gluon_cnn.files import write_atomically
with write_atomically(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print(temporary, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_writer(path):
    ended = run_process(KILLED, path)
    assert ended.code == -signal.SIGKILL
    left = Path(ended.out.strip())
    assert left.read_text() == "half"
    return left


def test_what_a_killed_process_left_is_removed(tmp_path):
    kill_writer(tmp_path / "other"), kill_writer(tmp_path / "file")
    write(tmp_path / "file")
    assert [path.name.rpartition("-")[2] for path in leftovers(tmp_path)] == ["other"]
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["file"]


def test_number_of_a_killed_process_used_again(tmp_path):
    """Another process has its number now, as is common in containers."""
    left = kill_writer(tmp_path / "file")
    start = left.name.split("-")[3]
    left.rename(tmp_path / f".gluon-cnn-{os.getpid()}-{start}-file")
    write(tmp_path / "file")
    assert names(tmp_path) == ["file"]


def test_file_that_is_being_written_stays(tmp_path):
    with write_atomically(tmp_path / "file") as temporary:
        temporary.write_text("new")
        remove_leftovers(tmp_path)
    assert (tmp_path / "file").read_text() == "new"


@pytest.mark.parametrize(
    "name",
    [
        ".file.999999999.tmp",
        f".file.{ENDED}.tmp",
        f".notes.{ENDED}.tmp.txt",
        ".gluon-cnn-file",
        ".gluon-cnn-notes-1-file",
        f".gluon-cnn-{ENDED}-file",
        f".gluon-cnn-{ENDED}-1-",
        f"gluon-cnn-{ENDED}-1-file",
    ],
)
def test_files_of_others_stay(tmp_path, name):
    (tmp_path / name).write_text("precious")
    write(tmp_path / "file")
    remove_leftovers(tmp_path)
    assert (tmp_path / name).read_text() == "precious"


def test_links_and_directories_are_no_leftovers(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / f".gluon-cnn-{ENDED}-1-link").symlink_to("precious")
    (tmp_path / f".gluon-cnn-{ENDED}-1-directory").mkdir()
    remove_leftovers(tmp_path)
    assert len(names(tmp_path)) == 3


def test_only_own_files_are_opened_in_place(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "symbolic").symlink_to("precious")
    (tmp_path / "dangling").symlink_to("missing")
    os.mkfifo(tmp_path / "FIFO")
    (tmp_path / "twice").write_text("precious")
    os.link(tmp_path / "twice", tmp_path / "hard")
    for name in ("symbolic", "dangling", "FIFO", "hard"):
        with pytest.raises(RunError, match=f"{name} is a link or not a regular file: move it away"):
            open_own(tmp_path / name, "a")
    assert not (tmp_path / "missing").exists()
    with open_own(tmp_path / "log", "a") as file:
        file.write("one")
    with open_own(tmp_path / "log", "a") as file:
        file.write(" two")
    assert (tmp_path / "log").read_text() == "one two"


@pytest.mark.parametrize("kind", [*SPECIAL, "device"])
@pytest.mark.parametrize("link", [False, True])
def test_only_regular_files_are_opened_to_read(kind, link):
    path = Path("/dev/zero" if kind == "device" else "special")
    SPECIAL.get(kind, Path)(path)
    if link:
        Path("link").symlink_to(path)
        path = Path("link")
    with pytest.raises(OSError, match="not a regular file") as caught:
        open_regular(path)
    assert caught.value.filename == str(path)


def test_regular_files_are_opened_through_links(tmp_path):
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to("file")
    with open_regular(tmp_path / "link", "r", encoding="utf-8") as file:
        assert file.read() == "text"
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")
