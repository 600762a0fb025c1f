"""The book's exercise on NiN: what if a block has one 1×1 convolution instead of two?

    python examples/nin_exercise.py

The protocol is nin_collapse.py's, so that the runs of both can be compared. docs/nin.md has the table that it
prints at the end.
"""

from nin_collapse import study

VARIANTS = {
    "faithful": {},
    "one-1x1": {"num_mlp_layers": 1},
    "no-last-relu": {"final_relu": False},
    "one-1x1-no-last-relu": {"num_mlp_layers": 1, "final_relu": False},
}

if __name__ == "__main__":
    study(VARIANTS, __doc__)
