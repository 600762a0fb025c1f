"""The two releases of Fashion-MNIST: told apart, found, got, and never written."""

import gzip
import hashlib
import lzma
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from releases import NAMES, Server, compress, write_images

from gluon_cnn import GluonCNNError, load_data_fashion_mnist
from gluon_cnn.cli import main
from gluon_cnn.data import RELEASES, download, find_fashion_mnist, read_fashion_mnist
from gluon_cnn.data.places import releases_here
from gluon_cnn.data.verified import release_of

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES


def path_in(directory, name):
    return next(directory.glob(name + "*"))


def hashes(directory):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}


def copy_of(directory, target):
    """A copy of a release's four files."""
    target.mkdir(parents=True)
    for name in NAMES:
        shutil.copy(path_in(directory, name), target)
    return target


def test_releases_have_other_labels(first, second):
    for directory, release, label in ((first, "first", 2), (second, "second", 9)):
        assert release_of(directory) == release
        assert read_fashion_mnist(directory).train.labels[0] == label


@pytest.mark.parametrize("ending", ["", ".gz", ".xz"])
def test_labels_are_known_in_any_compression(first, tmp_path, ending):
    directory = copy_of(first, tmp_path / "copy")
    for name in (TRAIN_LABELS, TEST_LABELS):
        content = gzip.decompress(path_in(directory, name).read_bytes())
        path_in(directory, name).unlink()
        write = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[ending]
        (directory / f"{name}{ending}").write_bytes(write(content))
    assert release_of(directory) == "first"
    assert len(read_fashion_mnist(directory).test.labels) == 10_000


def test_first_images_by_their_published_hash(as_published, home):
    images = read_fashion_mnist(as_published).train.images
    path_in(as_published, TRAIN_IMAGES).unlink()
    changed = images.copy()
    changed[30_000, 5, 5] ^= 1
    write_images(as_published, changed, "train")  # not compressed, so that nobody published its hash
    with pytest.raises(GluonCNNError, match=f"{TRAIN_IMAGES} has changed since it was first read"):
        read_fashion_mnist(as_published)


@pytest.mark.parametrize("content", ["directory", "somebody's notes", "[1, 2]"])
def test_memory_that_is_not_ours_stays(first, home, tmp_path, content):
    memory = home.with_name("fashion-mnist-seen.json")
    memory.parent.mkdir(parents=True)
    memory.mkdir() if content == "directory" else memory.write_text(content)
    assert len(read_fashion_mnist(copy_of(first, tmp_path / "copy")).test.labels) == 10_000
    assert memory.is_dir() or memory.read_text() == content


def test_first_images_changed_later_are_found(first, home, tmp_path):
    directory = copy_of(first, tmp_path / "copy")
    images = read_fashion_mnist(directory).train.images
    assert read_fashion_mnist(directory).train.images is images
    changed = images.copy()
    changed[30_000, 5, 5] ^= 1
    write_images(directory, changed, "train")
    with pytest.raises(GluonCNNError, match=r"train-images-idx3-ubyte has changed since it was first read"):
        read_fashion_mnist(directory)
    write_images(directory, images, "train")
    assert len(read_fashion_mnist(directory).train.labels) == 60_000


@pytest.mark.parametrize("number", [0, 3, 8])
def test_images_must_begin_as_the_first_release(first, tmp_path, number):
    directory = copy_of(first, tmp_path / "copy")
    images = read_fashion_mnist(directory).train.images.copy()
    images[number, 14, 14] += 3
    write_images(directory, images, "train")
    with pytest.raises(GluonCNNError, match=f"{TRAIN_IMAGES} is of neither release"):
        read_fashion_mnist(directory)


@pytest.mark.parametrize("name", NAMES)
def test_mixed_files_are_named(first, second, tmp_path, name, fails):
    directory = copy_of(first, tmp_path / "mixed")
    path_in(directory, name).unlink()
    shutil.copy(path_in(second, name), directory)
    before = hashes(directory)
    error = fails("data", "--data-dir", directory)
    assert "mixes two releases of Fashion-MNIST" in error
    assert f"{name} of the second" in error
    assert "put the files of each into a directory of its own" in error
    assert hashes(directory) == before


def test_each_release_is_found_by_its_name(first, second, home):
    copy_of(first, home)
    beside = copy_of(second, home.with_name("fashion-mnist-second"))
    assert releases_here() == {"first": home, "second": beside}
    assert find_fashion_mnist() == find_fashion_mnist(release="second") == beside
    assert find_fashion_mnist(release="first") == find_fashion_mnist(prefer="first") == home
    assert next(iter(load_data_fashion_mnist(1, release="first")[1]))[1].asscalar() == 0


def test_the_one_that_is_there_is_taken(first, home):
    copy_of(first, home)
    assert find_fashion_mnist() == home
    assert find_fashion_mnist(release="second", get=False) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--release", "third"], "release is 'third'; it must be one of first, second (--release)"),
        (["--release", "second", "--data-dir", "{first}"], "holds the first release of Fashion-MNIST, not the second"),
        (["--release", "first", "--data-dir", "{second}"], "holds the second release of Fashion-MNIST, not the first"),
    ],
)
def test_release_that_is_not_there(first, second, words, message, fails):
    words = [word.format(first=first, second=second) for word in words]
    assert message in fails("data", *words)
    assert message.split(" (")[0] in fails("train", "lenet", *words)


@pytest.mark.parametrize("name", NAMES)
def test_missing_or_short_file_is_named(first, tmp_path, name, fails):
    directory = copy_of(first, tmp_path / "copy")
    path = path_in(directory, name)
    content = path.read_bytes()
    path.unlink()
    assert f"holds no {name}" in fails("train", "lenet", "--data-dir", directory)
    path.write_bytes(content[: len(content) // 2])
    assert name in fails("train", "lenet", "--data-dir", directory)
    assert path.read_bytes() == content[: len(content) // 2]


@pytest.fixture
def places(as_published, second, tmp_path, monkeypatch):
    """A server that plays MXNet's bucket and Zalando's two places, all of them dead until they are given files."""
    gz = copy_of(second, tmp_path / "second as published")
    for path in list(gz.iterdir()):
        if path.suffix != ".gz":
            compress(path)
    server = Server()
    for release, names in (("first", ["bucket"]), ("second", ["zalando", "github"])):
        record = RELEASES[release]._replace(mirrors=tuple(map(server.url, names)))
        monkeypatch.setitem(RELEASES, release, record)
    monkeypatch.setattr(download.time, "sleep", lambda _: None)
    monkeypatch.setattr(download.shutil, "which", lambda _: None)
    monkeypatch.delenv("MXNET_GLUON_REPO", raising=False)
    server.files = {"first": as_published, "second": gz}
    yield server
    server.shutdown()
    server.server_close()


def asked(server):
    """Who was asked, in order."""
    return list(dict.fromkeys(name for name, _ in server.asked))


def test_second_is_asked_of_zalando_only(places, home, capsys):
    places.directories["github"] = places.files["second"]
    assert main(["data"]) == 0
    assert asked(places) == ["zalando", "github"]
    assert release_of(home) == "second"
    assert f"got the second release of Fashion-MNIST into {home}" in capsys.readouterr().out


def test_first_is_asked_of_the_bucket_only(places, home, capsys):
    places.directories["bucket"] = places.files["first"]
    assert main(["data", "--release", "first"]) == 0
    assert asked(places) == ["bucket"]
    assert release_of(home) == "first"
    assert "first release, verified: 60,000 training and 10,000 test images" in capsys.readouterr().out


def test_first_is_asked_of_a_named_repository(places, home, monkeypatch):
    monkeypatch.setenv("MXNET_GLUON_REPO", places.url("school").rstrip("/"))
    places.directories["school"] = places.files["first"]
    assert main(["data", "--release", "first"]) == 0
    assert asked(places) == ["school"]
    assert ("school", f"gluon/dataset/fashion-mnist/{TRAIN_IMAGES}.gz") in places.asked


def test_dead_bucket_says_where_else_it_is(places, home, fails):
    error = fails("data", "--release", "first")
    assert asked(places) == ["bucket"]
    assert "only a computer on which the book's code has run still has it, in ~/.mxnet/datasets/fashion-mnist" in error
    assert not list(home.glob("*.gz"))


def test_bucket_with_the_other_release(places, home, fails):
    places.directories["bucket"] = places.files["second"]
    assert "the file it sent is not the right one" in fails("data", "--release", "first")
    assert not list(home.glob("*.gz"))


@pytest.mark.parametrize(("there", "got"), [("first", "second"), ("second", "first")])
def test_releases_live_side_by_side(places, home, there, got):
    copy_of(places.files[there], home)
    before = hashes(home)
    for name in ("bucket", "zalando"):
        places.directories[name] = places.files["first" if name == "bucket" else "second"]
    assert find_fashion_mnist(release=got) == home.with_name(f"fashion-mnist-{got}")
    assert hashes(home) == before
    assert releases_here() == {there: home, got: home.with_name(f"fashion-mnist-{got}")}


def test_interrupted_download_goes_on(places, home):
    copy_of(places.files["second"], home)
    path_in(home, TEST_IMAGES).unlink()
    places.directories["zalando"] = places.files["second"]
    assert find_fashion_mnist() == home
    assert places.asked == [("zalando", f"{TEST_IMAGES}.gz")]


def test_folder_that_cannot_be_written(places, home, fails):
    home.parent.mkdir(parents=True)
    home.write_text("a file of somebody's")
    assert f"cannot be put into {home}" in fails("data", "--release", "second")
    assert home.read_text() == "a file of somebody's"


def test_incomplete_release_is_named(first, second, home, fails, capsys):
    lacking = copy_of(first, home) / TEST_IMAGES
    lacking.unlink()
    before = hashes(home)
    assert f"{home} has no {TEST_IMAGES} of the first release" in fails("train", "lenet")
    assert "ask for the second (--release)" in fails("data")
    copy_of(second, home.with_name("fashion-mnist-second"))
    assert f"{home} has no {TEST_IMAGES} of the first release" in fails("train", "lenet")  # the book's recipe
    assert main(["data"]) == 0
    out = capsys.readouterr().out
    assert f"Fashion-MNIST, first release, not whole: {home} has no {TEST_IMAGES}" in out
    assert find_fashion_mnist() == home.with_name("fashion-mnist-second")
    assert find_fashion_mnist(get=False, prefer="first") is None
    assert main(["doctor"]) == 0
    assert "not whole" in " ".join(capsys.readouterr().out.split())
    assert hashes(home) == before


def test_two_processes_get_two_releases(places, home):
    places.directories.update(bucket=places.files["first"], zalando=places.files["second"])
    wanted = ["first", "second"] * 2
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda release: find_fashion_mnist(release=release), wanted))
    assert [release_of(directory) for directory in found] == wanted


def test_unreadable_files_are_not_called_damaged(first, tmp_path, monkeypatch):
    def deny(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("gluon_cnn.data.verified.open_regular", deny)
    with pytest.raises(GluonCNNError, match="cannot be read \\(Permission denied\\): let yourself read it"):
        read_fashion_mnist(copy_of(first, tmp_path / "copy"))
