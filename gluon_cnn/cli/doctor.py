"""``gluon-cnn doctor``, which works where MXNet cannot be imported."""

from gluon_cnn.cli import parser as shared
from gluon_cnn.errors import DataError, InstallationError

__all__ = ["add"]

_DATA = 50_000_000, "Fashion-MNIST takes 31 MB"  # bytes of room that it needs, and why


def add(commands):
    """Add the command to argparse's collection of them."""
    command = shared.add_command(
        commands,
        "doctor",
        _doctor,
        "Say what is installed, what the machine has, and what to do about problems. "
        "It downloads nothing. The exit code is 1 if anything is a problem; warnings do not count.",
        "doctor",
        "doctor --json",
    )
    command.add_argument("--json", action="store_true", help="as one JSON document")
    shared.add_data(command, "look for Fashion-MNIST only in this directory")


def _doctor(args):
    from gluon_cnn.runtime import import_mxnet
    from gluon_cnn.runtime.doctor import as_json, as_text, examine, healthy

    import_error = None
    try:
        import_mxnet()
    except InstallationError as error:
        import_error = error
    findings = examine(import_error, _data_findings(args.data_dir))
    print(as_json(findings) if args.json else as_text(findings))
    return 0 if healthy(findings) else 1


def _data_findings(data_dir):
    """Whether Fashion-MNIST is there, and whether there is room for it."""
    from gluon_cnn.runtime.doctor import Finding, disk

    try:
        from gluon_cnn.data.fashion_mnist import data_home, find_fashion_mnist, read_fashion_mnist
    except ImportError as error:  # NumPy, for instance
        reason = f"not looked at, because {error.name or 'a package'} cannot be imported"
        return [Finding("data", reason, "warning", "repair the installation first")]
    room = disk("data", data_home, *_DATA)
    try:
        directory = find_fashion_mnist(data_dir, get=False)
        if directory is None:
            advice = "gluon-cnn data downloads it, as gluon-cnn train does"
            return [Finding("data", "Fashion-MNIST is not there yet", "warning", advice), room]
        dataset = read_fashion_mnist(directory)
    except (DataError, OSError) as error:
        return [Finding("data", "Fashion-MNIST cannot be used", "problem", str(error).rstrip(".")), room]
    numbers = f"{len(dataset.train.labels):,} and {len(dataset.test.labels):,} images"
    return [Finding("data", f"Fashion-MNIST, {numbers}, verified, in {directory}"), room]
