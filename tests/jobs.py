"""What tests of jobs share: several workers on this machine."""

import os
import subprocess
import sys
import time

import psutil
from runs import parameters_of

#: One thread a worker: with another number the last bits differ.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
#: The launcher, which gives the processes that do not end less time than usual.
LAUNCH = [
    *(sys.executable, "-c"),
    "import sys; from gluon_cnn.cli import main; from gluon_cnn.training import launch; launch.GRACE = 1.0; "
    "sys.exit(main(['launch', *sys.argv[1:]]))",
]
LENET = ["train", "lenet", "--data", "sample", "--set", "test_size=99", "--quiet"]


def start_job(*arguments, workers=2, servers=1, train=LENET, kvstore="dist_sync"):
    """Start a job that trains LeNet."""
    command = [*LAUNCH, "-n", workers, "-s", servers, "--", *train, "--kvstore", kvstore, *arguments]
    return subprocess.Popen(
        list(map(str, command)), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run_job(*arguments, **options):
    """Run such a job; its exit code and standard error."""
    process = start_job(*arguments, **options)
    _, error = process.communicate(timeout=120)
    return process.returncode, error


def processes_of(job, role):
    """The processes of a job that have a role, such as ``worker``."""
    children = psutil.Process(job.pid).children(recursive=True)
    return [child for child in children if child.environ().get("DMLC_ROLE") == role]


def wait_for_checkpoint(process, directory, after=()):
    """Wait until a job has written a checkpoint within an epoch."""
    while process.poll() is None and not set(directory.glob("checkpoint/*-step-*")) - set(after):
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()


def largest_difference(one, other):
    """Between the parameters of two runs."""
    one, other = parameters_of(one), parameters_of(other)
    assert one.keys() == other.keys()
    return max(abs(one[name] - other[name]).max().asscalar() for name in one)
