from our_runs import published_history
from PIL import Image

from gluon_cnn.comparison.figures import comparison_svgs, save_clouds, save_curves
from gluon_cnn.comparison.published import published_runs
from gluon_cnn.training.history import COLUMNS, MEASURES

PUBLISHED = [run.history for run in published_runs("lenet", "zh-v1")]


def test_curves_are_a_picture_with_something_on_it(tmp_path):
    save_curves(published_history(), tmp_path / "curves.png", title="nin")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.width > 800
        assert len(image.convert("RGB").getcolors(10**6)) > 100
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]


def test_every_measure_gets_a_panel(monkeypatch):
    # As if runs were compared by one measure more.
    seconds = next(column for column in COLUMNS if column.name == "seconds")
    monkeypatch.setitem(MEASURES, "seconds", seconds)
    svgs = comparison_svgs(PUBLISHED, {"own": [PUBLISHED[0]]}, "lenet")
    assert len(svgs) == 4
    for svg, column in zip(svgs, MEASURES.values()):
        assert f'aria-label="lenet: {column.words}"' in svg
        assert column.label in svg


def test_legend_tells_published_runs_from_published_weights():
    samples = {"published": PUBLISHED[:2], "own": PUBLISHED[2:4], "the book's loop": PUBLISHED[4:6]}
    *_, strip = comparison_svgs(PUBLISHED, samples, "lenet")
    for label in ("published runs (15)", "ours, published weights (2)", "ours, own weights (2)", "the book's loop (2)"):
        assert f">{label}<" in strip.replace("&#39;", "'")


def test_clouds_have_a_panel_for_each_epoch(tmp_path):
    widths = []
    for epochs in (2, 5):
        published = [history[:epochs] for history in PUBLISHED]
        save_clouds(published, {"own": published[:3]}, tmp_path / "clouds.png", "LeNet")
        with Image.open(tmp_path / "clouds.png") as image:
            widths.append(image.width)
    assert 2 * widths[1] == 5 * widths[0]
