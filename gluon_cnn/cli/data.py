"""``gluon-cnn data``, which works without MXNet."""

from gluon_cnn.cli import parser as shared

__all__ = ["add"]


def add(commands):
    """Add the command to argparse's collection of them."""
    command = shared.add_command(
        commands,
        "data",
        _data,
        "Find Fashion-MNIST or download it, verify it, and say which release is where.",
        "data",
        "data --release first",
        "data --data-dir ~/fashion-mnist",
    )
    shared.add_data(command, "look only in this directory")


def _data(args):
    from gluon_cnn.cli.terminal import log_to_terminal
    from gluon_cnn.data import SAMPLE, find_fashion_mnist
    from gluon_cnn.data.places import releases_here

    log_to_terminal()
    find_fashion_mnist(args.data_dir, args.release)  # downloads what is asked for and is nowhere
    for release, directory in releases_here(args.data_dir).items():
        if args.release in (None, release):
            print(f"Fashion-MNIST, {release} release, verified: {_numbers(directory)} in {directory}")
    print(f"A sample of 2,000 and 500 images of the second release is in {SAMPLE}")


def _numbers(directory):
    from gluon_cnn.data import read_fashion_mnist

    dataset = read_fashion_mnist(directory)
    return f"{len(dataset.train.labels):,} training and {len(dataset.test.labels):,} test images"
