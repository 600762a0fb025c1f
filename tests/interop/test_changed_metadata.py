"""Metadata of an exported network that somebody has changed: one line that names the file, and exit code 1."""

import dataclasses
import json

import pytest
from PIL import Image
from runs import command

from gluon_cnn.data import FASHION_MNIST, SAMPLE

onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def kept(lenet_run, tmp_path_factory):
    """A directory with an ONNX file and a picture; not to be changed."""
    directory = tmp_path_factory.mktemp("kept")
    command("export", lenet_run, "--out", directory / "net.onnx", "--data-dir", SAMPLE)
    Image.new("L", (28, 28)).save(directory / "picture.png")
    return directory


#: Values of an ONNX file's metadata.
METADATA = [
    *[("recipe", json.dumps({"data": value})) for value in (float("nan"), 10**400, "a\0b", "\ud800", [["full"]])],
    ("recipe", '{"test_size": "all"}'),
    ("recipe", "[" * 100_000),
    ("recipe", "null"),
    ("classes", '{"0": "cat"}'),
    ("classes", "[3]"),
    ("classes", '["a", ""]'),
    ("classes", '["a", "a"]'),
    ("classes", ""),
    ("dataset", "[]"),
    ("dataset", '{"name": "mine", "classes": ["a", "b"], "channels": 1, "side": 28}'),
    ("dataset", json.dumps({**dataclasses.asdict(FASHION_MNIST), "side": 32})),
    ("dataset", json.dumps({**dataclasses.asdict(FASHION_MNIST), "mean": [0.5], "deviation": [0]})),
    ("recipe", '{"data": "folder"}'),
    ("epoch", "-1"),
    ("epoch", "9" * 400),
    ("epoch", "1.5"),
    ("step", "NaN"),
    ("step", None),
]


@pytest.mark.parametrize(("name", "value"), METADATA)
def test_changed_metadata_is_refused(name, value, kept, tmp_path, fails):
    path = tmp_path / "net.onnx"
    model = onnx.load(str(kept / "net.onnx"))
    about = {prop.key: prop.value for prop in model.metadata_props}
    about[name] = value
    onnx.helper.set_model_props(model, {key: text for key, text in about.items() if text is not None})
    onnx.save(model, str(path))
    for arguments in (["evaluate", path, "--data-dir", SAMPLE], ["predict", path, kept / "picture.png"]):
        assert f"{path} has metadata that cannot be read (" in fails(*arguments)


def test_metadata_that_are_not_unicode(kept, tmp_path, fails):
    content = (kept / "net.onnx").read_bytes()
    (tmp_path / "net.onnx").write_bytes(content.replace(b"Apache-2.0", b"Apache-2.\xff"))
    assert "net.onnx is not a file that ONNX Runtime can run ('utf-8' codec" in fails(
        "evaluate", tmp_path / "net.onnx", "--data-dir", SAMPLE
    )
