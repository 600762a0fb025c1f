"""What a comparison says of the settings that a run on a GPU had."""

import json

import pytest
from our_runs import published_history, write_run

from gluon_cnn.comparison.compare import compare_run, compare_runs
from gluon_cnn.comparison.report import write_report
from gluon_cnn.comparison.words import run_in_words, runs_in_words
from gluon_cnn.training.directory import RunDirectory
from gluon_cnn.training.process import GPU_SETTINGS

AS_SET = {"NVIDIA_TF32_OVERRIDE": "0", "MXNET_ENFORCE_DETERMINISM": "1"}
TF32 = "GPU: NVIDIA_TF32_OVERRIDE was '1': on GPUs since Ampere, convolutions and dense layers were computed in TF32"
OTHER_BITS = "MXNET_ENFORCE_DETERMINISM was '0': a run with the same seed can end in other bits"


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A function that writes a run that was trained by processes with these variables, on a GPU or not."""

    def train(*processes, on_gpu=True, seed=0):
        run = write_run(tmp_path / f"run{seed}", None, seed=seed)
        (run.directory / "config.json").unlink()
        for variables in processes:
            for name in GPU_SETTINGS:
                monkeypatch.delenv(name, raising=False)
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            run.write_config("gluon-cnn train lenet", 2, on_gpu)
        run.write_history(published_history())
        return RunDirectory.open(run.directory)

    return train


def test_run_on_a_gpu_records_its_settings(trained):
    run = trained({**AS_SET, "MXNET_USE_FUSION": "0"})
    recorded = json.loads((run.directory / "config.json").read_text())["gpu_settings"]
    assert recorded == {**dict.fromkeys(GPU_SETTINGS), **AS_SET, "MXNET_USE_FUSION": "0"}
    assert compare_run(run).get("gpu_settings_off") is None
    assert "GPU" not in run_in_words(compare_run(run))


def test_run_on_the_cpu_records_none(trained):
    run = trained({"NVIDIA_TF32_OVERRIDE": "1"}, on_gpu=False)
    assert "gpu_settings" not in json.loads((run.directory / "config.json").read_text())
    assert compare_run(run).get("gpu_settings_off") is None


def test_setting_that_was_off_is_said(trained):
    run = trained({"NVIDIA_TF32_OVERRIDE": "1", "MXNET_ENFORCE_DETERMINISM": "0"})
    last = run_in_words(compare_run(run)).splitlines()[-1]
    assert last.startswith(TF32)
    assert last.endswith(f"; {OTHER_BITS}")
    run = trained({}, seed=1)
    assert "NVIDIA_TF32_OVERRIDE was not set" in run_in_words(compare_run(run))


def test_process_that_resumed_counts_too(trained):
    run = trained(AS_SET, {**AS_SET, "MXNET_ENFORCE_DETERMINISM": "0"})
    assert compare_run(run)["gpu_settings_off"] == [OTHER_BITS]


def test_sample_says_each_once(trained):
    runs = [trained({**AS_SET, "NVIDIA_TF32_OVERRIDE": "1"}, seed=seed) for seed in range(3)]
    comparison = compare_runs(runs)
    assert len(comparison["gpu_settings_off"]) == 1
    assert runs_in_words(comparison).splitlines()[-1].startswith(TF32)


def test_report_says_it_too(trained):
    run = trained({**AS_SET, "MXNET_ENFORCE_DETERMINISM": "0<b>|\n\x1b"})
    write_report(run.directory.parent)
    for name in ("report.md", "report.html"):
        text = (run.directory.parent / name).read_text()
        assert "GPU: MXNET_ENFORCE_DETERMINISM was" in text
        assert "\x1b" not in text
        assert name == "report.md" or "<b>" not in text
