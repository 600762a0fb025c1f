"""The GPUs that NVIDIA's driver shows, by its program ``nvidia-smi``."""

import contextlib
import shutil
import subprocess

__all__ = ["NoAnswer", "nvidia_smi"]

PATIENCE = 10  # seconds for nvidia-smi, which takes one or two, and hangs for ever with a driver that does


class NoAnswer(Exception):
    """nvidia-smi tells of no GPU."""


def nvidia_smi():
    """The GPUs, a list for each: name, compute capability (or ``unknown``), memory in all and used in MiB, and version
    of the driver, as text.

    Raises
    ------
    NoAnswer
        If there are none, saying why.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        raise NoAnswer("there is no nvidia-smi, which comes with NVIDIA's driver")
    fields = ["name", "compute_cap", "memory.total", "memory.used", "driver_version"]
    code, output = _ask(program, fields)
    if code and "compute_cap" in output:  # drivers before 510 do not know that field
        code, output = _ask(program, [field for field in fields if field != "compute_cap"])
        fields[1] = None
    rows = [line.split(", ") for line in output.splitlines()]  # nvidia-smi quotes nothing
    if code or not rows:
        raise NoAnswer(f"nvidia-smi says: {_first_line(output)}")
    if any(len(row) != len([field for field in fields if field]) for row in rows):
        raise NoAnswer(f"nvidia-smi's answer cannot be read: {_first_line(output)}")
    return rows if fields[1] else [[row[0], "unknown", *row[1:]] for row in rows]


def _ask(program, fields):
    """nvidia-smi's exit code and what it says."""
    command = [program, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace"
        )
    except OSError as error:
        raise NoAnswer(f"{program} cannot be run ({error.strerror})") from None
    try:
        output, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.stdout.close()  # which a child of the program may still hold
        with contextlib.suppress(subprocess.TimeoutExpired):  # within a driver that hangs it cannot even be killed
            process.wait(1)
        raise NoAnswer(f"nvidia-smi gave no answer in {PATIENCE} seconds") from None
    return process.returncode, output.strip()


def _first_line(output):
    return output.splitlines()[0][:80] if output else "nothing"
