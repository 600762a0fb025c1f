"""The GPUs that NVIDIA's driver shows, by its program ``nvidia-smi``."""

import contextlib
import shutil
import subprocess
from typing import NamedTuple, Optional

__all__ = ["NVIDIA_SMI_TIMEOUT", "Gpu", "NoAnswer", "nvidia_smi"]

NVIDIA_SMI_TIMEOUT = 10  # seconds; it takes one or two, and hangs forever where the driver does


class NoAnswer(Exception):
    """nvidia-smi shows no GPU."""


class Gpu(NamedTuple):
    """What nvidia-smi says of a GPU, as text: memory in MiB; the compute capability is None where it does not say."""

    name: str
    capability: Optional[str]
    memory: str
    memory_used: str
    driver: str


def nvidia_smi():
    """The GPUs that nvidia-smi shows.

    Returns
    -------
    list of Gpu

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
        fields.remove("compute_cap")
        code, output = _ask(program, fields)
    rows = [line.split(", ") for line in output.splitlines()]  # nvidia-smi quotes nothing
    if code or not rows:
        raise NoAnswer(f"nvidia-smi says: {_first_line(output)}")
    if any(len(row) != len(fields) for row in rows):
        raise NoAnswer(f"nvidia-smi's answer cannot be read: {_first_line(output)}")
    return [Gpu(*row) if "compute_cap" in fields else Gpu(row[0], None, *row[1:]) for row in rows]


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
        output, _ = process.communicate(timeout=NVIDIA_SMI_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.stdout.close()  # a child of the program may still hold it
        with contextlib.suppress(subprocess.TimeoutExpired):  # within a driver that hangs it cannot even be killed
            process.wait(1)
        raise NoAnswer(f"nvidia-smi gave no answer in {NVIDIA_SMI_TIMEOUT} seconds") from None
    return process.returncode, output.strip()


def _first_line(output):
    return output.splitlines()[0][:80] if output else "nothing"
