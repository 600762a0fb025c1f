"""Both releases of Fashion-MNIST as directories: the second, and the first with most of its images made up."""

import gzip
import hashlib
import http.server
import shutil
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gluon_cnn.data import RELEASES, find_fashion_mnist, places, read_fashion_mnist, releases

#: Its real label files.
LABELS = Path(__file__).parent / "data" / "first_release"
NAMES = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def write_images(directory, images, part):
    """Write images as an uncompressed file."""
    header = struct.pack(">HBB3I", 0, 8, 3, *images.shape)
    (directory / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())


def compress(path):
    """Compress a file as it was published: by gzip."""
    with open(path, "rb") as file, gzip.open(f"{path}.gz", "wb", 1) as compressed:
        shutil.copyfileobj(file, compressed)
    path.unlink()


@pytest.fixture(scope="session")
def second():
    """The directory of the second release; not to be changed."""
    return find_fashion_mnist(release="second")


@pytest.fixture(scope="session")
def first(second, tmp_path_factory):
    """A directory with the first release's labels and its first nine images of each part; not to be changed.

    All other images are made up: the second release's, backwards. The images are not compressed.
    """
    directory = tmp_path_factory.mktemp("first")
    with Image.open(releases.FIRST_NINE) as picture:
        nine = np.asarray(picture).reshape(2, 28, 9, 28).swapaxes(1, 2)
    for part, images, beginning in zip(("train", "t10k"), read_fashion_mnist(second)[1:], nine):
        write_images(directory, np.concatenate([beginning, images.images[:8:-1]]), part)
        shutil.copy(LABELS / f"{part}-labels-idx1-ubyte.gz", directory)
    return directory


@pytest.fixture
def as_published(first, tmp_path, monkeypatch):
    """A directory with the same, all compressed, whose images have the SHA-1 that is asked for."""
    directory = tmp_path / "as published"
    shutil.copytree(first, directory)
    for part in ("train", "t10k"):
        compress(directory / f"{part}-images-idx3-ubyte")
        content = (directory / f"{part}-images-idx3-ubyte.gz").read_bytes()
        sha1 = hashlib.sha1(content).hexdigest()
        monkeypatch.setitem(RELEASES["first"].compressed_sha1, f"{part}-images-idx3-ubyte", sha1)
    return directory


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Gluon's place, empty, in a new home, and no package of Debian's."""
    monkeypatch.setenv("MXNET_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(places, "DEBIAN_PLACE", tmp_path / "debian")
    return tmp_path / "home" / "datasets" / "fashion-mnist"


class Server(http.server.ThreadingHTTPServer):
    """Serves the files of directories, each under a name of its own, and lists what it was asked for."""

    def __init__(self, **directories):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.directories, self.asked = directories, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, name):
        """The address of a directory, which need not be there."""
        return f"http://127.0.0.1:{self.server_port}/{name}/"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name, _, file = self.path[1:].partition("/")
        self.server.asked.append((name, file))
        path = self.server.directories.get(name, Path("/nowhere")) / Path(file).name
        if not path.is_file():
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()
        self.wfile.write(path.read_bytes())

    def log_message(self, *_):
        pass
