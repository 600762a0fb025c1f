"""``gluon-cnn compare-runs``: what it prints and writes, and bad input."""

import shutil

import pytest

from gluon_cnn.cli import main


@pytest.fixture
def two(lenet_run, tmp_path):
    """Copies of a run, to be changed, with an epoch less in one of them."""
    first, second = (shutil.copytree(lenet_run, tmp_path / "runs" / name) for name in ("a", "b"))
    shutil.rmtree(second / "checkpoint" / "epoch-002")
    rows = (second / "history.csv").read_text().splitlines(keepends=True)
    (second / "history.csv").write_text("".join(rows[:-1]))
    return first, second


def test_page_lies_beside_the_first_run(two, capsys):
    before = sorted(path.name for path in two[0].iterdir())
    assert main(["compare-runs", *map(str, two), "--ctx", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert "Both have the same recipe." in printed
    assert "McNemar's exact p" in printed
    assert "A after epoch 2: " in printed
    assert "B after epoch 1: " in printed
    out = two[0].parent / "a-and-b"
    assert printed.splitlines()[-1].endswith("a-and-b/compare-runs.html")
    names = {"classes.png", "compare-runs.html", "test-acc.png", "train-acc.png", "train-loss.png"}
    assert {path.name for path in out.iterdir()} - {"pictures.png"} == names
    assert sorted(path.name for path in two[0].iterdir()) == before


def test_flags_choose_images_checkpoint_and_place(two, tmp_path, capsys):
    flags = ["--ctx", "cpu", "--images", "20", "--checkpoint", "best", "--out", str(tmp_path / "new" / "place")]
    assert main(["compare-runs", *map(str, two), *flags]) == 0
    assert "20 test images" in capsys.readouterr().out
    assert main(["compare-runs", *map(str, two), *flags, "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "new" / "place" / "compare-runs.html").exists()


def test_bad_input_is_one_line(two, tmp_path, fails):
    first, second = two
    (tmp_path / "file").touch()
    for words, said in (
        ([first, first], "are the same run: name two runs"),
        ([first, tmp_path / "nowhere"], "holds no run"),
        ([first, tmp_path / "file"], "holds no run"),
        ([first], "the following arguments are required: B"),
        ([first, second, first], "Unknown arguments"),
        ([first, second, "--images", 0], "images is 0"),
        ([first, second, "--images", 10**6], "only 500 test images (--images)"),
        ([first, second, "--images", "x"], "images is 'x'"),
        ([first, second, "--checkpoint", "first"], "invalid choice"),
        ([first, second, "--ctx", "cloud"], "There is no context"),
        ([first, second, "--out", tmp_path / "file"], "is not a directory"),
        ([first, second, "--out", tmp_path / "file" / "deep"], "is not a directory"),
        ([first, second, "--out", ""], "--out has no value"),
        ([first, second, "--out", tmp_path / ("x" * 300)], "name too long"),
    ):
        assert said.lower() in fails("compare-runs", *words).lower()
    for changed in (first / "checkpoint" / "epoch-002" / "net.params", first / "history.csv", first / "config.json"):
        changed.write_bytes(b"x")
        fails("compare-runs", first, second)
    assert not (tmp_path / "runs" / "a-and-b").exists()
