"""Which wheels of MXNet are installed, and what to install."""

import re
import shlex
from pathlib import Path

__all__ = ["INSTALL_HINT", "install_hint", "mxnet_wheels", "reinstall_hint", "two_wheels"]


def install_hint(extra):
    """What to type for an extra of this package.

    It names the checkout, or whatever this installation came from, and never the package's name alone, which no index
    has: whoever put a package of that name there would be installed.
    """
    source, how = _SOURCE
    if source is None:
        return f'pip install "/path/to/gluon-cnn[{extra}]", with the path of your clone of gluon-cnn'
    named = f"gluon-cnn[{extra}] @ {source}" if "://" in source else f"{source}[{extra}]"
    return f"pip install {how}{_quoted(named)}"


def mxnet_wheels():
    """The installed wheels that bring the folder ``mxnet``: their versions by their names, sorted by name."""
    from importlib import metadata  # here, because it is slow to import and `import gluon_cnn` does not need it

    found = {str(wheel.metadata["Name"]).lower(): wheel.version for wheel in metadata.distributions()}
    return {name: found[name] for name in sorted(found) if re.fullmatch(r"mxnet(-cu\d+)?(-?mkl|-native)?", name)}


def two_wheels(wheels):
    """What is wrong with several of :func:`mxnet_wheels`, and what to do, as half sentences; None if there are not."""
    if len(wheels) < 2:
        return None
    wrong = f"{' and '.join(wheels)} are installed over each other, in the same folder"
    return wrong, reinstall_hint(wheels)


def reinstall_hint(wheels):
    """What to type where :func:`mxnet_wheels` are damaged: pip installs nothing in the place of what it finds."""
    return f"pip uninstall -y {' '.join(wheels) or 'mxnet'}, then {INSTALL_HINT}"


def _source(packages):
    """What this package was installed from, as pip takes it, and the option for it; (None, "") where that is not known.

    Parameters
    ----------
    packages : Path
        The folder that has the folder ``gluon_cnn``: a checkout, or one of installed packages.
    """
    if _is_checkout(packages):
        return _printable(str(packages)), "-e "
    for record in sorted(packages.glob("gluon_cnn-*.dist-info/direct_url.json")):  # none where an index had it
        return _printable(_recorded(record)), ""
    return None, ""


def _is_checkout(folder):
    try:  # some packages put a setup.py of theirs among the installed ones
        return '"gluon-cnn"' in (folder / "setup.py").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _recorded(path):
    """The path or URL that pip recorded; None where it is gone, or the record says nothing that is understood."""
    import json  # here, as above
    from urllib.parse import quote, unquote, urlsplit

    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        parts, vcs = urlsplit(record["url"]), record.get("vcs_info")
        if parts.scheme != "file":
            user, _, host = parts.netloc.rpartition("@")
            # A query may have a token, and a password with a slash looks like a port, which then raises an error.
            if not host or parts.query or (parts.port or 1) < 0 or not record["url"].isprintable():
                return None
            address = f"{parts.scheme}://{'git@' if user == 'git' else ''}{host}{parts.path}"  # other users are secret
            address = f"{vcs['vcs']}+{address}@{vcs['commit_id']}" if vcs else address
            folder = record.get("subdirectory")
            fragment = f"subdirectory={quote(folder)}" if folder else parts.fragment
            return f"{address}#{fragment}" if fragment else address
        place = unquote(parts.path)
        return place if parts.netloc in ("", "localhost") and Path(place).exists() else None
    except (AttributeError, KeyError, OSError, RecursionError, TypeError, ValueError):
        return None


def _printable(source):
    """The source, or None if it does not fit into one line of a terminal."""
    return source if source and source.isprintable() else None


def _quoted(text):
    """In double quotes, as the documents have it, unless a shell reads something in them."""
    return shlex.quote(text) if set(text) & set('"$`\\!') else f'"{text}"'


_SOURCE = _source(Path(__file__).resolve().parents[2])
INSTALL_HINT = f"{install_hint('cpu')}, or [cu112] for an NVIDIA GPU, or [own-mxnet] beside another build of MXNet"
