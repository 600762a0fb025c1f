"""The book's exercise on NiN: what if a block has one 1×1 convolution instead of two?

    python examples/nin_exercise.py

The protocol is nin_collapse.py's, with whose runs these are compared. The table that it ends with is in docs/nin.md.
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
