"""gluon-cnn export: what is asked for wrongly, and where files go."""

import shutil

import pytest

from gluon_cnn.cli import main


def test_files_are_called_after_the_network_and_lie_in_the_run(lenet_run, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(lenet_run, run)
    before = {path.name for path in run.iterdir()}
    for flags in ([], ["--preprocess"], ["--format", "symbol"], ["--format", "safetensors"]):
        assert main(["export", str(run), *flags]) == 0
    written = {path.name for path in run.iterdir()} - before
    symbol = {"lenet-symbol.json", "lenet-0000.params", "lenet-metadata.json"}
    assert written == {"lenet.onnx", "lenet-preprocess.onnx", "lenet.safetensors", *symbol}
    assert str(run / "lenet-metadata.json") in capsys.readouterr().out
    assert {(run / name).stat().st_mode & 0o777 for name in written} == {0o644}


@pytest.mark.parametrize("format", ["onnx", "symbol", "safetensors"])
def test_run_that_cannot_be_exported(format, lenet_run, tmp_path, fails):
    out, run = tmp_path / f"net.{format}", tmp_path / "run"
    shutil.copytree(lenet_run, run)
    (run / "checkpoint" / "epoch-002" / "net.params").write_bytes(b"damaged")
    assert "epoch-002 is damaged" in fails("export", run, "--format", format, "--out", out)
    shutil.rmtree(run / "checkpoint")
    assert "has no checkpoint yet" in fails("export", run, "--format", format, "--out", out)
    assert "holds no run" in fails("export", tmp_path / "none", "--format", format, "--out", out)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_bad_flags(lenet_run, tmp_path, fails):
    (tmp_path / "there.onnx").mkdir()
    assert "a directory: name a file" in fails("export", lenet_run, "--out", tmp_path / "there.onnx")
    assert "which is no directory" in fails("export", lenet_run, "--out", tmp_path / "nowhere" / "net.onnx")
    assert "ends with .onnx" in fails("export", lenet_run, "--out", tmp_path / "net.pt")
    assert "leave --preprocess out" in fails("export", lenet_run, "--format", "safetensors", "--preprocess")
    assert "invalid choice: 'tflite'" in fails("export", lenet_run, "--format", "tflite")
