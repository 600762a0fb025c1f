"""Seconds that a new process takes to import MXNet, this package, or both, and to answer ``--help``.

    python benchmarks/import_time.py

The least of five processes each, in turns, without what Python itself takes to start.
"""

import subprocess
import sys
import time

import arguments

PROGRAMS = {
    "Python alone": ["-c", ""],
    "import mxnet": ["-c", "import numpy; numpy.bool = bool; import mxnet"],
    "import gluon_cnn": ["-c", "import gluon_cnn"],
    "import gluon_cnn, mxnet": ["-c", "import gluon_cnn, mxnet"],
    "gluon_cnn.lenet": ["-c", "import gluon_cnn; gluon_cnn.lenet"],
    "gluon-cnn --help": ["-m", "gluon_cnn.cli", "--help"],
    "gluon-cnn train --help": ["-m", "gluon_cnn.cli", "train", "--help"],
}


def seconds(words):
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main():
    times = {name: [] for name in PROGRAMS}
    for _ in range(5):
        for name, words in PROGRAMS.items():
            times[name].append(seconds(words))
    least = {name: min(found) for name, found in times.items()}
    for name, found in least.items():
        print(f"{name:<24}{found - least['Python alone'] * (name != 'Python alone'):6.2f} s")


if __name__ == "__main__":
    arguments.parser(__doc__).parse_args()
    main()
