"""What the commands do and print."""

import io
import os
import sys

from runs import MAIN, SMALL_RUN, history_of, run_process, small

from gluon_cnn import load_run
from gluon_cnn.cli import main
from gluon_cnn.data import SAMPLE


def test_training_prints_epochs_verdict_and_place(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "lenet", *small(64, 32, 32)]) == 0
    first, epoch, verdict, place = capsys.readouterr().out.splitlines()
    assert first.startswith("training lenet on ")
    assert epoch.startswith("epoch 1, loss ")
    assert verdict.startswith("not compared: 1 epoch instead of 5; batches of 32 instead of 256; ")
    assert place.startswith("the run is in runs/lenet-zh-v1-")
    assert (tmp_path / place.split()[-1] / "history.csv").exists()


def test_runs_of_one_name_get_own_directories(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(3):
        assert main(["train", "lenet", "--data", "sample", "--epochs", "1", "--set", "train_size=32", "--quiet"]) == 0
    name = "lenet-zh-v1-epochs1-sample-train_size32-seed0"
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [name, f"{name}-2", f"{name}-3"]


def test_quick_says_its_numbers_are_not_the_books(tmp_path, capsys):
    arguments = ["--data", "sample", "--set", "train_size=32", "--set", "test_size=32", "--batch-size", "32"]
    assert main(["train", "nin", "--quick", *arguments, "--out", str(tmp_path / "run")]) == 0
    assert "the numbers are not the book's" in capsys.readouterr().out
    recipe = load_run(tmp_path / "run").recipe
    assert (recipe.epochs, recipe.side, recipe.init) == (1, 96, "own")


def test_quiet_prints_nothing_though_mxnet_logs(tmp_path):
    arguments = ["train", "lenet", "--edition", "en", *SMALL_RUN, "--quiet", "--out", tmp_path / "run"]
    assert run_process(MAIN, *arguments) == (0, "", "")


def test_evaluate_measures_what_the_history_says(lenet_run, capsys):
    assert main(["evaluate", str(lenet_run)]) == 0
    accuracy = history_of(lenet_run)[-1].test_acc
    assert capsys.readouterr().out == f"test accuracy {accuracy:.4f} on 128 test images of the sample, after epoch 2\n"
    assert main(["evaluate", str(lenet_run), "--checkpoint", "best", "--threads", "1"]) == 0


def test_summary_shows_the_parameters_of_a_network(capsys):
    for model, parameters in (("nin", "1,992,166"), ("lenet", "44,426"), ("vgg", "43,093,322")):
        assert main(["summary", model]) == 0
        assert parameters in capsys.readouterr().out


def test_summary_takes_another_size(capsys):
    assert main(["summary", "lenet", "--resize", "32"]) == 0
    assert "1×1×32×32" in capsys.readouterr().out


def test_data_says_where_it_is(capsys):
    assert main(["data", "--data-dir", str(SAMPLE)]) == 0
    assert f"2,000 training and 500 test images in {SAMPLE}" in capsys.readouterr().out


def test_reader_of_the_output_may_go_away(tmp_path, monkeypatch, capsys):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        assert main(["train", "lenet", *SMALL_RUN, "--out", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "history.csv").exists()
    assert "Broken" not in capsys.readouterr().err


def test_terminal_without_a_character_gets_a_mark(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert main(["summary", "lenet"]) == 0
    sys.stdout.flush()
    assert b"1?6?24?24" in sys.stdout.buffer.getvalue()
