"""What a self-test found: a line for each check, a table at the end, and all of it for a bug report."""

import json
import os
import textwrap

from gluon_cnn.runtime import threads
from gluon_cnn.runtime.devices import describe
from gluon_cnn.runtime.doctor import examine
from gluon_cnn.training.process import this_process

__all__ = ["as_json", "as_table", "line_of", "verdict"]

_GROUPS = {
    "layers, float32": "layers, forward and backward, in float32",
    "layers, float16": "layers, forward and backward, in float16",
    "batches": "the loader's batches",
    "dropout": "dropout",
    "runs": "runs on the sample, to the bit",
    "networks": "whole networks against the CPU",
    "steps": "five steps of each network",
}
#: Variables of which a bug report has those that are set.
_VARIABLES = ("CUBLAS_", "CUDA_", "CUDNN_", "DMLC_", "GOMP_", "KMP_", "LD_LIBRARY_PATH", "MXNET_", "NVIDIA_", "OMP_")


def line_of(check):
    """A check as one line; what a failure means, and what to do, follow on another."""
    line = f"{_status(check):<8}{check.group + ': ' + check.name:<56}{check.seen}"
    return "\n".join([line, *_wrapped(check.meaning)])


def as_table(checks, device, seconds):
    """The groups of checks, the networks' speeds, and the verdict, as lines of text."""
    lines = [""]
    for group, words in _GROUPS.items():
        own = [check for check in checks if check.group == group]
        if own:
            passed = sum(check.ok for check in own)
            lines.append(f"{words:<46}{f'{passed} of {len(own)}':>9}{_worst(own)}")
    speeds = [check for check in checks if check.group == "steps" and "images_per_sec" in check.numbers]
    if speeds:
        lines += ["", f"{'':<22}{'images/s':>10}{'an epoch':>12}{'on a V100':>12}{'memory':>14}"]
    for check in speeds:
        n, v100 = check.numbers, check.numbers["published_v100_seconds"]
        epoch, published = f"{n['epoch_seconds']:,.1f} s", f"{v100:,.1f} s" if v100 else ""
        lines.append(
            f"{check.name:<22}{n['images_per_sec']:>10,.1f}{epoch:>12}{published:>12}{n['memory_mib']:>10,} MiB"
        )
    failed = [check for check in checks if not check.ok]
    lines += [""] if speeds or failed else []
    for check in failed:
        lines += [f"{_status(check):<8}{check.group}: {check.name}: {check.seen}", *_wrapped(check.meaning)]
    return "\n".join([*lines, f"verdict: {verdict(checks, device, seconds)}"])


def verdict(checks, device, seconds):
    """One sentence."""
    failed = sum(not (check.ok or check.untried) for check in checks)
    untried = sum(check.untried for check in checks)
    apart = f", {untried} could not be tried" if untried else ""
    if failed:
        return f"{device} fails {failed} of {len(checks)} checks{apart}: do not rely on what it computes"
    passed = f"{len(checks) - untried} of {len(checks)}" if untried else f"all {len(checks)}"
    return f"{device} passes {passed} checks{apart}, in {seconds:.0f} s"


def as_json(checks, device, seconds):
    """A JSON document for a bug report: the checks, the device, versions, the machine, variables, what doctor says."""
    document = {
        "ok": all(check.ok for check in checks),
        "verdict": verdict(checks, device, seconds),
        "seconds": round(seconds, 1),
        "device": {"context": str(device), **describe(device)},
        "checks": [check._asdict() for check in checks],
        **this_process("gluon-cnn selftest", threads()),
        "environment": {name: value for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)},
        "findings": [finding._asdict() for finding in examine()],
    }
    return json.dumps(document, indent=1, allow_nan=False)


def _status(check):
    return "ok" if check.ok else "untried" if check.untried else "FAILED"


def _worst(checks):
    """The largest relative difference in a group, and what it may be at most, as text; none where nothing has one."""
    compared = [check for check in checks if "tolerance" in check.numbers]
    known = [check for check in compared if check.numbers["difference"] is not None]
    if not known:
        return ""
    worst = max(known, key=lambda check: check.numbers["difference"]).numbers
    return f"   {worst['difference']:.1e}, at most {worst['tolerance']:.0e}"


def _wrapped(meaning):
    return textwrap.wrap(meaning, 72, initial_indent="        → ", subsequent_indent="          ")
