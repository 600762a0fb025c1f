"""``gluon-cnn data``, which works without MXNet."""

from gluon_cnn.cli import parser as shared

__all__ = ["add"]


def add(commands):
    """Add the command to argparse's collection of them."""
    command = shared.add_command(
        commands,
        "data",
        _data,
        "Find Fashion-MNIST or download it, verify it, and say where it is.",
        "data",
        "data --data-dir ~/fashion-mnist",
    )
    shared.add_data(command, "look only in this directory")


def _data(args):
    from gluon_cnn.data import SAMPLE, find_fashion_mnist, read_fashion_mnist

    directory = find_fashion_mnist(args.data_dir)
    dataset = read_fashion_mnist(directory)
    numbers = f"{len(dataset.train.labels):,} training and {len(dataset.test.labels):,} test images"
    print(f"Fashion-MNIST, verified: {numbers} in {directory}")
    print(f"A sample of 2,000 and 500 of them is in {SAMPLE}")
