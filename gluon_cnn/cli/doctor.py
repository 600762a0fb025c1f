"""``gluon-cnn doctor``, which works where MXNet cannot be imported."""

from gluon_cnn.checks import choice
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
    findings = examine(import_error, _data_findings(args.data_dir, args.release))
    print(as_json(findings) if args.json else as_text(findings))
    return 0 if healthy(findings) else 1


def _data_findings(data_dir, release):
    """Which releases of Fashion-MNIST are there, and whether there is room."""
    from gluon_cnn.runtime.doctor import Finding, disk

    try:
        from gluon_cnn.data import RELEASES, read_fashion_mnist
        from gluon_cnn.data.places import incomplete_here, releases_here
        from gluon_cnn.data.verified import data_home
    except ImportError as error:  # NumPy, for instance
        reason = f"not looked at, because {error.name or 'a package'} cannot be imported"
        return [Finding("data", reason, "warning", "repair the installation first")]
    room = disk("data", data_home, *_DATA)
    wanted = RELEASES if release is None else [choice("release", release, RELEASES)]
    try:
        found = {name: place for name, place in releases_here(data_dir).items() if name in wanted}
        datasets = {name: read_fashion_mnist(place) for name, place in found.items()}
        incomplete = {} if data_dir else incomplete_here()
    except (DataError, OSError) as error:
        return [Finding("data", "Fashion-MNIST cannot be used", "problem", str(error).rstrip(".")), room]
    findings = []
    for name, dataset in datasets.items():
        numbers = f"{len(dataset.train.labels):,} and {len(dataset.test.labels):,} images"
        findings.append(Finding("data", f"Fashion-MNIST, {name} release, {numbers}, verified, in {found[name]}"))
    for name, (place, lacking) in incomplete.items():
        value = f"Fashion-MNIST, {name} release, not whole: {place} has no {lacking}"
        findings.append(Finding("data", value, "warning", f"gluon-cnn data --release {name} downloads it"))
    if not findings:
        what = RELEASES[release].words if release else "Fashion-MNIST"
        advice = f"gluon-cnn data{f' --release {release}' if release else ''} downloads it"
        findings = [Finding("data", f"{what} is not there yet", "warning", advice)]
    return [*findings, room]
