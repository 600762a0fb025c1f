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
    from gluon_cnn.data import SAMPLE, find_fashion_mnist
    from gluon_cnn.data.places import incomplete_here, releases_here

    find_fashion_mnist(args.data_dir, args.release)  # downloads what is asked for and is nowhere
    for release, directory in releases_here(args.data_dir).items():
        if args.release in (None, release):
            print(f"Fashion-MNIST, {release} release, verified: {_numbers(directory)} in {directory}")
    for release, (directory, name) in incomplete_here().items() if args.data_dir is None else ():
        print(f"Fashion-MNIST, {release} release, not whole: {directory} has no {name}")
    print(f"A sample of 2,000 and 500 images of the second release is in {SAMPLE}")


def _numbers(directory):
    from gluon_cnn.data import read_fashion_mnist

    dataset = read_fashion_mnist(directory)
    return f"{len(dataset.train.labels):,} training and {len(dataset.test.labels):,} test images"
