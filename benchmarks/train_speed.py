"""Training speed and memory of this package's command line beside the book's own code.

    python benchmarks/train_speed.py --models nin lenet --rounds 5 --json speed.json

Each round runs both, one after the other, each in a process of its own; what is reported is the median
of the rounds. Every process trains two epochs of a slice of the data, and the second one counts, so that
compiling and first allocations do not. LeNet's slice is the whole data set, test pass included.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

HERE = Path(__file__).parent
SLICES = {"lenet": (60_000, 10_000), "alexnet": (512, 128), "vgg11": (512, 128), "nin": (512, 128)}


def book_code(model, sizes):
    command = [sys.executable, str(HERE / "book_code.py"), model, *map(str, sizes), "2"]
    output, peaks = run(command)
    return {**json.loads(output.splitlines()[-1]), **peaks}


def command_line(model, sizes):
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "run"
        arguments = ["train", model, "--epochs", 2, "--train-size", sizes[0], "--test-size", sizes[1]]
        command = [sys.executable, "-m", "gluon_cnn.cli", *map(str, arguments), "--out", str(out), "--quiet"]
        _, peaks = run(command)
        with open(out / "history.csv", newline="") as file:
            row = list(csv.DictReader(file))[-1]
    return {"seconds": float(row["seconds"]), "images_per_sec": float(row["examples_per_sec"]), **peaks}


def run(command):
    """The output of a process, and the highest memory of it and of all it started, in MiB."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    peak_process = peak_all = 0
    while process.poll() is None:
        try:
            main = psutil.Process(process.pid)
            peak_process = max(peak_process, main.memory_info().rss)
            tree = [main, *main.children(recursive=True)]
            peak_all = max(peak_all, sum(p.memory_full_info().pss for p in tree))
        except psutil.Error:  # one of them has just ended
            pass
        time.sleep(0.25)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return process.stdout.read(), {"peak_mib": peak_process / 2**20, "peak_all_mib": peak_all / 2**20}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=SLICES, default=["nin", "lenet"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write every measurement to this file")
    args = parser.parse_args()
    measured = {}
    for model in args.models:
        rounds = {"book": [], "ours": []}
        for number in range(1, args.rounds + 1):
            for name, measure in (("book", book_code), ("ours", command_line)):
                rounds[name].append(measure(model, SLICES[model]))
                print(f"{model} round {number} {name}: {describe(rounds[name][-1])}", flush=True)
        measured[model] = rounds
    print_table(measured)
    if args.json:
        args.json.write_text(json.dumps(measured, indent=1) + "\n")


def describe(result):
    return ", ".join(f"{name} {value:.1f}" for name, value in result.items())


def print_table(measured):
    print("\n| network | measure | book's code | this package | ratio |\n| --- | --- | --- | --- | --- |")
    for model, rounds in measured.items():
        for measure in ("images_per_sec", "seconds", "peak_mib", "peak_all_mib"):
            book, ours = (statistics.median(r[measure] for r in rounds[name]) for name in ("book", "ours"))
            print(f"| {model} | {measure} | {book:.1f} | {ours:.1f} | {ours / book:.2f} |")


if __name__ == "__main__":
    main()
