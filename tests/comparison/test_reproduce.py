import contextlib
import csv
import io
import json
import random
import re
import signal
import time

import pytest
from our_runs import published_history, write_run
from runs import KILLED_AT, MAIN, run_process, start

from gluon_cnn import get_recipe
from gluon_cnn.cli import main
from gluon_cnn.cli.command import train_command
from gluon_cnn.cli.values import seeds
from gluon_cnn.comparison.reproduce import train_missing
from gluon_cnn.errors import SettingError
from gluon_cnn.training.recipes import book_recipe
from gluon_cnn.training.run import Run
from gluon_cnn.training.settings import Settings

REPRODUCE = ["reproduce", "--models", "lenet", "--seeds", "0,1", "--data", "sample"]
RUNS = ["lenet-zh-v1-sample-seed0", "lenet-zh-v1-sample-seed1"]
TIMES = ("seconds", "examples_per_sec")


@pytest.fixture(scope="module")
def call(tmp_path_factory):
    """The directory that a call leaves that nothing disturbs, and what it prints."""
    directory, out = tmp_path_factory.mktemp("whole"), io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([*REPRODUCE, "--out", str(directory)]) == 0
    return directory, out.getvalue()


@pytest.fixture(scope="module")
def whole(call):
    return call[0]


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
    assert sorted(path.name for path in whole.iterdir()) == [*RUNS, "report.html", "report.md"]
    config = json.loads((whole / RUNS[1] / "config.json").read_text())
    expected = f"gluon-cnn train lenet --edition zh-v1 --seed 1 --data sample --out {whole / RUNS[1]}"
    assert config["command"] == expected
    assert expected in (whole / "report.md").read_text()


def test_says_how_long_all_runs_will_take(call):
    _, out = call
    assert re.search(rf"run 1 of 2, .*{RUNS[0]}: how long lenet will take is known after its first epoch", out)
    assert re.search(rf"run 2 of 2, .*{RUNS[1]}: about \d\d:\d\d left for all runs", out)


def test_finished_runs_are_left_as_they_are(whole, capsys):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*") if path.is_file()}
    assert main([*REPRODUCE, "--out", str(whole)]) == 0
    out = capsys.readouterr().out
    assert "training" not in out
    assert "the report is in" in out
    for path, changed in before.items():
        assert path.stat().st_mtime_ns == changed or path.name.startswith("report.")


def test_killed_at_any_moment_and_started_again(whole, tmp_path):
    generator = random.Random(0)
    for longest in (0, 0.2, 0.4, 0.8):  # seconds; a fast machine may be done before the last
        begun = time.time()
        process = start(MAIN, *REPRODUCE, "--out", tmp_path, "--quiet")
        # From the first file of this call on, so that the start of the process does not count.
        while process.is_alive() and not any(path.stat().st_mtime > begun for path in tmp_path.rglob("*.lock")):
            time.sleep(0.005)
        time.sleep(generator.uniform(0, longest))
        process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
    assert run_process(MAIN, *REPRODUCE, "--out", tmp_path, "--quiet").code == 0
    assert outcome(tmp_path) == outcome(whole)


def test_killed_between_writes_and_started_again(whole, tmp_path):
    def killed_at(number):
        return run_process(KILLED_AT, number, *REPRODUCE, "--out", tmp_path, "--quiet").code

    generator = random.Random(1)
    for _ in range(7):  # each resumes what the one before left
        assert killed_at(generator.randint(1, 25)) == -signal.SIGKILL
    assert killed_at(0) == 0  # never
    assert outcome(tmp_path) == outcome(whole)
    # And in the report, which is all that is left to do.
    assert killed_at(1) == -signal.SIGKILL
    assert killed_at(0) == 0
    assert outcome(tmp_path) == outcome(whole)


@pytest.mark.parametrize("changes", [{}, {"diverged": ""}], ids=["as written", "an empty divergence"])
def test_comparison_lost_to_a_kill_is_written(changes, tmp_path):
    """Of a run whose training is finished, but whose process was killed before it had written the comparison."""
    path = write_run(tmp_path / "run", published_history()).directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    run, trained = Run(tmp_path / "run", get_recipe("lenet"), Settings()), []

    def train_run(run, **options):
        trained.append(options["resume"])
        run.book = book_recipe(run.recipe)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gluon_cnn.comparison.reproduce.train_run", train_run)
        for _ in range(2):  # the second time there is nothing left to do
            train_missing([run], command=str)
    assert trained == [True]
    assert {"curves.png", "comparison.json", "comparison.png"} <= {path.name for path in run.directory.iterdir()}


def test_stopped_by_a_signal_it_can_be_resumed(tmp_path):
    out, error = tmp_path / "out", tmp_path / "error"
    runs = tmp_path / "runs"
    process = start(MAIN, *REPRODUCE, "--seeds", "0-199", "--out", runs, out=out, error=error)
    while not list(runs.rglob("history.csv")):
        assert process.is_alive()
        time.sleep(0.01)
    process.terminate()
    process.join(60)
    assert process.exitcode == 128 + signal.SIGTERM
    said = error.read_text()
    assert said.count("\n") == 1
    assert "the same command resumes it" in said


def test_run_of_another_recipe_is_left_alone(tmp_path, fails):
    changes = {"data": "sample", "epochs": 1, "batch_size": 100}
    run = write_run(tmp_path / RUNS[0], [], **changes)
    before = (run.directory / "config.json").read_bytes()
    error = fails(*REPRODUCE, "--out", tmp_path)
    assert "was begun with 1 epoch, not 5; batches of 100, not 256: rename that directory, or choose another" in error
    assert (run.directory / "config.json").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", [0]), ("0-3", [0, 1, 2, 3]), ("0,3,5-7", [0, 3, 5, 6, 7]), ("2,1-3", [2, 1, 3]), (" 4 , 5 ", [4, 5])],
)
def test_seeds(text, expected):
    assert seeds(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "x", "3-1", "-1", "1-", "1,,2", "1.5", "٣", "0-9999999999999", "0-200", "0-150,200-300"],
)
def test_seeds_written_wrongly(text, fails):
    with pytest.raises(SettingError):
        seeds(text)
    wrong = f"seeds is {text!r}" if text else "--seeds has no value"
    assert wrong in fails("reproduce", f"--seeds={text}")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--models", "lenet,vit"], "no network 'vit'"),
        (["--models", ""], "--models has no value"),
        (["--models", "lenet,"], "no network ''"),
        (["--edition", "adam"], "was published in edition adam"),
        (["--edition", "zh-v9"], "edition is 'zh-v9'"),
        (["--edition", "zh-v2"], "edition is 'zh-v2'"),
        (["--threads", "0"], "threads is 0"),
    ],
)
def test_bad_arguments(arguments, reason, fails):
    assert reason in fails("reproduce", *arguments)


def test_command_of_a_recipe_gives_that_recipe(tmp_path, monkeypatch):
    recipe = get_recipe(
        "nin", "en", seed=3, side=96, epochs=2, clip_gradient=0.01, final_relu=False, num_mlp_layers=1, augment=True
    )
    found = []
    monkeypatch.setattr("gluon_cnn.training.train_run.train_run", lambda run, **options: found.append(run))
    monkeypatch.setattr("gluon_cnn.comparison.results.write_results", lambda run: None)
    run = Run(tmp_path / "run", recipe, Settings(ctx="cpu", hybrid=False, threads=1, checkpoint_every=7))
    assert main(train_command(run).split()[1:]) == 0
    assert [(found[0].recipe, found[0].settings, found[0].directory)] == [(recipe, run.settings, run.directory)]
