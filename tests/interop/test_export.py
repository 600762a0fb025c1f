"""Exporting a run: what is refused, and where the files go."""

import os
import resource
import shutil
import sys
import types

import pytest
from runs import command

from gluon_cnn.errors import CheckpointError, RunError, SettingError
from gluon_cnn.interop.export import export_run
from gluon_cnn.interop.formats import FORMATS, Format
from gluon_cnn.training.run import load_run


def test_files_are_named_after_network_in_run(lenet_run, tmp_path):
    directory = tmp_path / "run"
    shutil.copytree(lenet_run, directory)
    before = {path.name for path in directory.iterdir()}
    paths = []
    for options in ({}, {"preprocess": True}, {"format": "symbol"}, {"format": "safetensors"}):
        paths += export_run(load_run(directory), **options).paths
    written = {path.name for path in directory.iterdir()} - before
    symbol = {"lenet-symbol.json", "lenet-0000.params", "lenet-metadata.json"}
    assert written == {"lenet.onnx", "lenet-preprocess.onnx", "lenet.safetensors", *symbol}
    assert {path.name for path in paths} == written
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o644}


def test_command_prints_files_and_difference(lenet_run, tmp_path, capsys):
    command("export", lenet_run, "--preprocess", "--out", tmp_path / "net.onnx")
    printed = capsys.readouterr().out
    assert printed.startswith(f"{tmp_path / 'net.onnx'}\n")
    assert "256 test images" in printed
    command("export", lenet_run, "--format", "symbol", "--out", tmp_path / "net")
    assert all(f"{tmp_path / 'net'}{ending}" in capsys.readouterr().out for ending in FORMATS["symbol"].endings[:1])


@pytest.mark.parametrize("format", FORMATS)
def test_run_without_whole_checkpoint_is_not_exported(format, lenet_run, tmp_path):
    out, directory = tmp_path / f"net{FORMATS[format].endings[0]}", tmp_path / "run"
    shutil.copytree(lenet_run, directory)
    run = load_run(directory)
    (directory / "checkpoint" / "epoch-002" / "net.params").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="epoch-002 is damaged"):
        export_run(run, format, out)
    shutil.rmtree(directory / "checkpoint")
    with pytest.raises(RunError, match="has no checkpoint yet"):
        export_run(run, format, out)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("options", "message", "setting"),
    [
        ({"out": "there.onnx"}, "is a directory: name a file", "out"),
        ({"out": "there", "format": "symbol"}, "there-0000.params is a directory", "out"),
        ({"out": "nowhere/net.onnx"}, "nowhere, which is not a directory", "out"),
        ({"out": "net.pt"}, "does not end with .onnx", "out"),
        ({"out": "fifo.onnx"}, "fifo.onnx is not a regular file", "out"),
        ({"format": "safetensors", "preprocess": True}, "safetensors files cannot resize and scale", "preprocess"),
        ({"format": "tflite"}, "format is 'tflite'; it must be one of onnx, symbol, safetensors", "format"),
    ],
)
def test_settings_that_do_not_fit_are_named(options, message, setting, lenet_run, tmp_path):
    (tmp_path / "there.onnx").mkdir()
    os.mkfifo(tmp_path / "fifo.onnx")
    (tmp_path / "there-0000.params").mkdir()
    if "out" in options:
        options = {**options, "out": tmp_path / options["out"]}
    with pytest.raises(SettingError, match=message) as caught:
        export_run(load_run(lenet_run), **options)
    assert caught.value.settings == (setting,)


@pytest.mark.parametrize("format", ["onnx", "symbol"])
def test_full_disk_of_temporary_files_is_named(format, lenet_run, tmp_path, fails, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # of a file, less than LeNet's parameters
    try:
        assert str(tmp_path) in fails("export", lenet_run, "--format", format, "--out", tmp_path / "net.onnx")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_format_is_an_entry_and_a_module(lenet_run, tmp_path, monkeypatch):
    def write(net, path, inputs, images, *, preprocess=False, metadata=None):
        path.write_text(f"{inputs.side} {len(images)} {metadata['epoch']}")

    module = types.ModuleType("gluon_cnn.interop.text")
    module.write = write
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(FORMATS, "text", Format("text", (".txt",)))
    assert export_run(load_run(lenet_run), "text", tmp_path / "net.txt").difference is None
    assert (tmp_path / "net.txt").read_text() == "28 256 2"
