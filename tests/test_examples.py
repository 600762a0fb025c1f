"""The studies among the examples, as processes, on a few images."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SMALL = ["--data", "sample", "--train-size", "64", "--test-size", "32", "--epochs", "1", "--seeds", "0,1"]


def run(*command):
    return subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, timeout=250)


@pytest.mark.parametrize(
    ("name", "variants"),
    [
        ("nin_collapse.py", ["faithful", "no-last-relu", "clip-gradient-0.01", "lr-0.05"]),
        ("nin_exercise.py", ["faithful", "one-1x1", "no-last-relu", "one-1x1-no-last-relu"]),
    ],
)
def test_study_ends_with_a_table_of_its_runs_and_does_none_twice(name, variants, tmp_path):
    first = run(EXAMPLES / name, *SMALL, "--out", tmp_path)
    assert (first.returncode, first.stderr) == (0, "")
    table = first.stdout.splitlines()[-2 - len(variants) :]
    assert [re.match(r"\| (\S+) \| 2 \|", line)[1] for line in table[2:]] == variants
    for variant, line in zip(variants, table[2:]):
        dead = []
        for seed in (0, 1):
            with open(tmp_path / variant / f"seed{seed}" / "history.csv", newline="") as file:
                dead.append(list(csv.DictReader(file))[-1]["dead_classes"])
        assert f"| {', '.join(dead)} |" in line
    second = run(EXAMPLES / name, *SMALL, "--out", tmp_path)
    assert second.stdout.splitlines() == table


def test_study_with_bad_arguments():
    done = run(EXAMPLES / "nin_collapse.py", "--seeds", "x")
    assert done.returncode == 1
    assert done.stderr.startswith("nin_collapse.py: seeds is 'x'")
    assert done.stderr.count("\n") == 1
