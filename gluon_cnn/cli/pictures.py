"""Pictures of the user, as `predict` and `inspect` read them for a network."""

from gluon_cnn.errors import SettingError

__all__ = ["add_reading", "read_for"]


def add_reading(command):
    """--as-is and --invert."""
    command.add_argument(
        "--as-is", action="store_true", help="do not invert or crop, only centre on a black square (Fashion-MNIST)"
    )
    command.add_argument(
        "--invert",
        action="store_true",
        default=None,
        help="invert, whatever the ground looks like (Fashion-MNIST)",
    )


def read_for(args, dataset, source, name):
    """The :class:`gluon_cnn.data.as_fashion_mnist.Picture` for a network of a data set, as the flags ask for.

    Raises
    ------
    ImageError
        If it cannot be read.
    SettingError
        If a flag is given that is for Fashion-MNIST only, and the data set is another.
    """
    from gluon_cnn.data.as_fashion_mnist import is_fashion_mnist, read_as_trained, read_picture

    if is_fashion_mnist(dataset):
        return read_picture(source, name, as_is=args.as_is, invert=args.invert)
    if args.as_is or args.invert:
        raise SettingError(
            f"{dataset.name} is no Fashion-MNIST, so its pictures are seen as in training: leave this out.",
            "as_is" if args.as_is else "invert",
        )
    return read_as_trained(source, name, dataset)
