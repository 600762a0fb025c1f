"""The benchmarks run: each shows its help, and those that take seconds measure something small."""

from pathlib import Path

import pytest
from runs import run_process

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
#: What other benchmarks import.
PARTS = {"arguments", "drawn_photographs", "foreign_pictures", "recipe_steps"}
PROGRAM = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def printed(name, *arguments):
    """What a benchmark prints that does not fail."""
    done = run_process(PROGRAM, BENCHMARKS, BENCHMARKS / f"{name}.py", *arguments)
    assert done.code == 0, done.error
    return done.out


@pytest.mark.parametrize("name", sorted({path.stem for path in BENCHMARKS.glob("*.py")} - PARTS))
def test_help(name):
    if name.startswith("torch_"):
        pytest.importorskip("torch")
    assert f"usage: {name}.py" in printed(name, "--help")


@pytest.mark.parametrize(
    "command",
    [
        "memory lenet --steps 1",
        "operators lenet --steps 1",
        "pictures_speed --pictures 8 --rounds 1 --loaders folder records gluon-folder gluon-records",
        "saving_cost --model lenet --steps 1 --rounds 1",
        "step_share lenet 1",
    ],
)
def test_measures(command):
    output = printed(*command.split())
    assert "left out" not in output
    assert any(character.isdigit() for character in output.splitlines()[-1])
