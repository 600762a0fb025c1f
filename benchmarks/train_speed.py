"""Speed and memory of training beside the machine's own rate, the book's code, and PyTorch's.

    python benchmarks/train_speed.py --rounds 5 --json speed.json --figure speed.png
    python benchmarks/train_speed.py --models lenet --rounds 5

Each round takes all contenders in turn, each in a process of its own; what is reported is the median of the rounds.
Every process trains two epochs of a slice of the data, and the second one counts, so that compiling and first
allocations do not. LeNet's slice is the whole data set, test pass included. PyTorch is left out where it is not
installed (pip install torch).
"""

import csv
import importlib.util
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import arguments
import psutil

HERE = Path(__file__).parent
#: Training and test images: enough that the checkpoint at the end of an epoch, beside the next, counts for little.
SLICES = {"lenet": (60_000, 10_000), "alexnet": (896, 128), "vgg11": (896, 128), "nin": (896, 128)}
CONTENDERS = {
    "ours": "gluon-cnn",
    "book": "the book's code",
    "torch": "PyTorch",
    "torch-channels-last": "PyTorch, channels-last",
}


def ours(model, sizes, *options, epochs=2):
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "run"
        sizes = ["--set", f"train_size={sizes[0]}", "--set", f"test_size={sizes[1]}"]
        arguments = ["train", model, "--epochs", epochs, *sizes, *options]
        command = [sys.executable, "-m", "gluon_cnn.cli", *map(str, arguments), "--out", str(out), "--quiet"]
        _, peaks = run(command)
        with open(out / "history.csv", newline="") as file:
            row = list(csv.DictReader(file))[-1]
    return {"seconds": float(row["seconds"]), "images_per_sec": float(row["examples_per_sec"]), **peaks}


def book(model, sizes):
    return last_epoch([HERE / "book_code.py", model, *sizes, 2])


def pytorch(layout):
    def measure(model, sizes):
        return last_epoch([HERE / "torch_code.py", model, layout, data_directory(), *sizes, 2])

    return measure


def last_epoch(arguments):
    output, peaks = run([sys.executable, *map(str, arguments)])
    found = json.loads(output.splitlines()[-1])
    return {"seconds": found["seconds"], "images_per_sec": found["images_per_sec"], **peaks}


def data_directory():
    """Found in a process of its own, since to import gluon_cnn here would change the environment of the others."""
    find = "from gluon_cnn.data import find_fashion_mnist as f; print(f())"
    return run([sys.executable, "-c", find])[0].strip()


def run(command):
    """The output of a process, its highest memory, and that of it and all it started at a time, in MiB."""
    ours_alone = ("OMP_NUM_THREADS", "MXNET_CPU_TEMP_COPY")  # what gluon_cnn sets where nobody else has
    environment = {name: value for name, value in os.environ.items() if name not in ours_alone}
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=output, stderr=errors, env=environment)
        peak_all = looks = 0
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            looks += 1
            if looks % 20 == 0:  # every two seconds, because looking takes some of the measured time
                peak_all = max(peak_all, memory_of_all(process.pid))
            time.sleep(0.1)
        process.returncode = status
        output.seek(0)
        if status:
            errors.seek(0)
            lines = errors.read().strip().splitlines()
            raise SystemExit(f"{' '.join(command)} ended with status {status}: {lines[-1] if lines else ''}")
        peak = 1024 * usage.ru_maxrss
        return output.read(), {"peak_mib": peak / 2**20, "peak_all_mib": max(peak, peak_all) / 2**20}


def memory_of_all(pid):
    try:
        main = psutil.Process(pid)
        return sum(p.memory_full_info().pss for p in [main, *main.children(recursive=True)])
    except psutil.Error:  # one of them has just ended
        return 0


def main():
    parser = arguments.parser(__doc__)
    parser.add_argument("--models", nargs="+", choices=SLICES, default=list(SLICES))
    parser.add_argument("--rounds", type=arguments.count, default=5)
    parser.add_argument("--json", type=Path, help="write every measurement to this file, which keeps other networks'")
    parser.add_argument("--figure", type=Path, help="draw the medians into this PNG")
    args = parser.parse_args()
    measures = {"ours": ours, "book": book}
    if importlib.util.find_spec("torch"):
        measures.update({"torch": pytorch("contiguous"), "torch-channels-last": pytorch("channels-last")})
    measured = json.loads(args.json.read_text()) if args.json and args.json.exists() else {}
    for model in args.models:
        rounds = {"machine": [], "step": [], **{name: [] for name in measures}}
        measured[model] = rounds
        for number in range(1, args.rounds + 1):
            rounds["machine"].append(json.loads(run([sys.executable, str(HERE / "matrix_product.py")])[0]))
            for name, measure in measures.items():
                rounds[name].append(measure(model, SLICES[model]))
                print(f"{model} round {number} {name}: {describe(rounds[name][-1])}", flush=True)
        rounds["step"].append(
            json.loads(run([sys.executable, str(HERE / "step_share.py"), model, str(args.rounds)])[0])
        )
        if args.json:
            args.json.write_text(json.dumps(measured, indent=1) + "\n")
    print("\n" + table(measured))
    if args.figure:
        draw(measured, args.figure)


def describe(result):
    return ", ".join(f"{name} {value:.1f}" for name, value in result.items())


def medians(rounds):
    """The median of each measure of each contender: {contender: {measure: value}}."""
    return {
        name: {measure: statistics.median(result[measure] for result in results) for measure in results[0]}
        for name, results in rounds.items()
    }


def fraction(model, found, product):
    """Of the rate of a matrix product: three times the forward pass's multiply-adds, two operations each."""
    from gluon_cnn import get_recipe, summary
    from gluon_cnn.data import FASHION_MNIST
    from gluon_cnn.training.setup import build_network

    recipe = get_recipe(model)
    net = build_network(recipe, FASHION_MNIST)
    multiply_adds = summary(net, (1, 1, recipe.side, recipe.side)).multiply_adds
    return 6 * multiply_adds * found["ours"]["images_per_sec"] / found["machine"][product] / 1e9


def table(measured):
    lines = []
    for model, rounds in measured.items():
        found = medians(rounds)
        mine = found["ours"]
        lines += [f"**{model}**", "", "| | images/s | epoch, s | peak, MiB | with workers, MiB | ours over it |"]
        lines.append("| --- | --- | --- | --- | --- | --- |")
        for name, label in CONTENDERS.items():
            if name in found:
                theirs = found[name]
                ratio = mine["images_per_sec"] / theirs["images_per_sec"]
                cells = [f"{theirs['images_per_sec']:,.1f}", f"{theirs['seconds']:.2f}"]
                cells += [f"{theirs[measure]:,.0f}" for measure in ("peak_mib", "peak_all_mib")]
                lines.append(f"| {' | '.join([label, *cells, '' if name == 'ours' else f'{ratio:.2f}'])} |")
        lines += ["", f"- a whole epoch over the book's: {found['book']['seconds'] / mine['seconds']:.2f}"]
        others = [found[name]["images_per_sec"] for name in found if name.startswith("torch")]
        if others:
            lines.append(f"- over PyTorch's better layout: {mine['images_per_sec'] / max(others):.2f}")
        lines.append(f"- peak memory over the book's: {mine['peak_mib'] / found['book']['peak_mib']:.2f}")
        for product, label in (("dense", "FullyConnected (oneDNN)"), ("dot", "dot (OpenBLAS)")):
            rate = found["machine"][product]
            lines.append(f"- of the rate of {label}, {rate:,.0f} GFLOP/s: {fraction(model, found, product):.2f}")
        step = found["step"]
        lines.append(f"- a step of {step['step_ms']:,.1f} ms, of which {step['share']:.1%} not the network\n")
    return "\n".join(lines)


def draw(measured, path):
    """A panel for each network: images a second of each contender, and how often its speed ours is."""
    from matplotlib.figure import Figure

    titles = {
        "lenet": "LeNet, 28×28",
        "alexnet": "AlexNet, 224×224",
        "vgg11": "VGG-11/4, 224×224",
        "nin": "NiN, 224×224",
    }
    figure = Figure(figsize=(10.5, 0.6 + 2 * math.ceil(len(measured) / 2)), layout="constrained")
    panels = figure.subplots(math.ceil(len(measured) / 2), min(2, len(measured)), squeeze=False).flat
    for (model, rounds), axes in zip(measured.items(), panels):
        found = medians(rounds)
        names = [name for name in CONTENDERS if name in found]
        speeds = [found[name]["images_per_sec"] for name in names]
        bars = axes.barh(
            [CONTENDERS[name] for name in names], speeds, color=["#1f4e9c"] + ["#aab4c0"] * (len(names) - 1)
        )
        labels = [f"{speed:,.0f}" if speed > 1000 else f"{speed:.1f}" for speed in speeds]
        ratios = ["", *(f"  (ours: {speeds[0] / speed:.2f}×)" for speed in speeds[1:])]
        axes.bar_label(bars, [label + ratio for label, ratio in zip(labels, ratios)], padding=3, fontsize=9)
        axes.set_xlim(0, 1.8 * max(speeds))
        axes.invert_yaxis()
        axes.set_title(titles[model], fontsize=10)
        axes.set_xlabel("training, images a second")
        axes.spines[["top", "right"]].set_visible(False)
    for axes in list(panels):
        axes.remove()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
