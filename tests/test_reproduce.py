import csv
import json
import random
import re
import signal
import subprocess
import sys
import time

import pytest
from conftest import KILLED_AT

from gluon_cnn.arguments import MOST_SEEDS, seeds, train_command
from gluon_cnn.cli import main
from gluon_cnn.errors import SettingError
from gluon_cnn.training import Run, get_recipe

REPRODUCE = ["reproduce", "--models", "lenet", "--seeds", "0,1", "--data", "sample"]
TIMES = ("seconds", "examples_per_sec")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a call that nothing disturbs leaves."""
    out = tmp_path_factory.mktemp("whole")
    assert main([*REPRODUCE, "--out", str(out), "--quiet"]) == 0
    return out


def outcome(directory):
    """Every file's name; the bytes of the checkpoints' parameters and trainer states; the histories, times aside."""
    files = {path.relative_to(directory).as_posix() for path in directory.rglob("*")}
    bits = {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for name in ("net.params", "trainer.states")
        for path in directory.rglob(name)
    }
    histories = {}
    for path in directory.rglob("history.csv"):
        with open(path, newline="") as file:
            histories[path.parent.name] = [{**row, **dict.fromkeys(TIMES)} for row in csv.DictReader(file)]
    return files, bits, histories


def test_all_runs_are_there_and_the_report(whole):
    assert sorted(path.name for path in whole.iterdir()) == [
        "lenet-zh-v1-seed0",
        "lenet-zh-v1-seed1",
        "report.html",
        "report.md",
    ]
    config = json.loads((whole / "lenet-zh-v1-seed1" / "config.json").read_text())
    expected = f"gluon-cnn train lenet --edition zh-v1 --seed 1 --data sample --out {whole}/lenet-zh-v1-seed1"
    assert config["command"] == expected
    assert expected in (whole / "report.md").read_text()


def test_what_is_finished_is_left_as_it_is(whole, capsys):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*") if path.is_file()}
    assert main([*REPRODUCE, "--out", str(whole)]) == 0
    out = capsys.readouterr().out
    assert "training" not in out
    assert "the report is in" in out
    for path, changed in before.items():
        assert path.stat().st_mtime_ns == changed or path.name.startswith("report.")


def test_tells_the_time_left_for_the_whole(tmp_path, capsys):
    assert main([*REPRODUCE, "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert re.search(
        r"run 1 of 2, .*lenet-zh-v1-seed0: the time that lenet will take is known after a first epoch", out
    )
    assert re.search(r"run 2 of 2, .*-seed1: about \d\d:\d\d left for the whole", out)


def test_killed_at_any_moment_and_started_again_ends_with_the_same_files(whole, tmp_path):
    command = [sys.executable, "-m", "gluon_cnn.cli", *REPRODUCE, "--out", str(tmp_path), "--quiet"]
    generator, kills = random.Random(0), 0
    for attempt in range(30):
        process = subprocess.Popen(command)
        if attempt < 4:
            # From the first file of this call on, so that the import's seconds do not count.
            begun = time.time()
            while process.poll() is None and not any(path.stat().st_mtime > begun for path in tmp_path.rglob("*.lock")):
                time.sleep(0.005)
            time.sleep(generator.uniform(0, 0.8))
            process.kill()
        kills += process.wait() == -signal.SIGKILL
        if process.returncode == 0:
            break
    assert kills >= 2
    assert process.returncode == 0
    assert outcome(tmp_path) == outcome(whole)


def test_killed_between_any_two_writes_and_started_again_ends_with_the_same_files(whole, tmp_path):
    def start(number):
        command = [sys.executable, "-c", KILLED_AT, str(number), *REPRODUCE, "--out", str(tmp_path), "--quiet"]
        return subprocess.run(command, capture_output=True, text=True, timeout=100)

    generator = random.Random(1)
    for _ in range(7):  # each goes on where the one before was killed
        assert start(generator.randint(1, 25)).returncode == -signal.SIGKILL
    last = start(0)
    assert last.returncode == 0
    assert outcome(tmp_path) == outcome(whole)
    # And in the report, which is all that is left to do.
    writes = int(last.stdout.split()[-1])
    assert start(1).returncode == -signal.SIGKILL
    assert writes > 1
    assert start(0).returncode == 0
    assert outcome(tmp_path) == outcome(whole)


def test_stopped_by_a_signal_it_says_how_to_go_on(tmp_path):
    command = [sys.executable, "-m", "gluon_cnn.cli", *REPRODUCE, "--seeds", "0-199", "--out", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.rglob("history.csv")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert error.count("\n") == 1
    assert "the same command goes on" in error or "interrupted" in error  # where it came between two runs


def test_a_directory_with_a_run_of_another_recipe_is_left_alone(tmp_path, fails):
    out = tmp_path / "lenet-zh-v1-seed0"
    small = ["--data", "sample", "--epochs", "1", "--batch-size", "100"]
    assert main(["train", "lenet", *small, "--out", str(out), "--quiet"]) == 0
    before = (out / "config.json").read_bytes()
    error = fails(*REPRODUCE, "--out", tmp_path)
    assert "was begun with epochs 1, not 5; batch_size 100, not 256: rename that directory, or choose another" in error
    assert (out / "config.json").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", [0]), ("0-3", [0, 1, 2, 3]), ("0,3,5-7", [0, 3, 5, 6, 7]), ("2,1-3", [2, 1, 3]), (" 4 , 5 ", [4, 5])],
)
def test_seeds(text, expected):
    assert seeds(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "x", "3-1", "-1", "1-", "1,,2", "1.5", "٣", "0-9999999999999", f"0-{MOST_SEEDS}", f"0-150,{MOST_SEEDS}-300"],
)
def test_seeds_written_wrongly(text, fails):
    with pytest.raises(SettingError):
        seeds(text)
    assert f"seeds is {text!r}" in fails("reproduce", f"--seeds={text}")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--models", "lenet,vit"], "no network 'vit'"),
        (["--models", ""], "no network ''"),
        (["--edition", "adam"], "was published in edition adam"),
        (["--edition", "zh-v9"], "edition is 'zh-v9'"),
        (["--edition", "zh-v2"], "edition is 'zh-v2'"),
        (["--threads", "0"], "threads is 0"),
    ],
)
def test_bad_arguments(arguments, reason, fails):
    assert reason in fails("reproduce", *arguments)


def test_the_command_of_a_recipe_gives_that_recipe(tmp_path, monkeypatch):
    recipe = get_recipe(
        "nin", "en", seed=3, resize=96, epochs=2, clip_gradient=0.01, final_relu=False, num_mlp_layers=1, augment=True
    )
    found = []
    monkeypatch.setattr("gluon_cnn.cli.train", lambda run, **options: found.append(run))
    monkeypatch.setattr("gluon_cnn.cli.write_results", lambda run: None)
    settings = {"ctx": "cpu", "hybrid": False, "threads": 1, "data_dir": None, "checkpoint_every": 7}
    run = Run(tmp_path / "run", recipe, settings)
    assert main(train_command(run).split()[1:]) == 0
    assert [(found[0].recipe, found[0].settings, found[0].directory)] == [(recipe, run.settings, run.directory)]
