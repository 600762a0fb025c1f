"""How the cost of training grows: with the image's size, the batch, the network, and the number of epochs.

    python benchmarks/growth.py --json growth.json

Every row is a training by the command line in a process of its own, of four batches and two epochs, of which the second
counts; LeNet's rows of the number of epochs are whole trainings, start included, on all 60,000 images. Medians of the
rounds.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

from train_speed import ours

SIDES, BATCH_SIZES, EPOCHS = (64, 96, 128, 160, 192, 224), (16, 32, 64, 128, 256), (1, 2, 5, 10)


def rows(model):
    """What is changed, its value, and the measurement."""
    for side in SIDES:
        yield "side, pixels", side, lambda side=side: training(model, 128, side)
    for batch_size in BATCH_SIZES:
        yield "batch", batch_size, lambda batch_size=batch_size: training(model, batch_size, 224)
    for epochs in EPOCHS:
        yield "epochs of LeNet", epochs, lambda epochs=epochs: whole(epochs)


def training(model, batch_size, side):
    options = ["--batch-size", batch_size, "--resize", side]
    found = ours(model, (4 * batch_size, 128), *options)
    return {"images_per_sec": found["images_per_sec"], "peak_mib": found["peak_mib"]}


def whole(epochs):
    start = time.perf_counter()
    found = ours("lenet", (60_000, 10_000), epochs=epochs)
    return {"seconds": time.perf_counter() - start, "peak_mib": found["peak_mib"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nin", help="(default nin)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write every measurement to this file")
    args = parser.parse_args()
    measured = []
    print(f"| {args.model} | | images/s | s | peak, MiB |\n| --- | --- | --- | --- | --- |")
    for what, value, measure in rows(args.model):
        results = [measure() for _ in range(args.rounds)]
        measured.append({"what": what, "value": value, "results": results})
        found = {name: statistics.median(result[name] for result in results) for name in results[0]}
        speed, seconds = found.get("images_per_sec"), found.get("seconds")
        cells = [f"{speed:,.1f}" if speed else "", f"{seconds:,.1f}" if seconds else "", f"{found['peak_mib']:,.0f}"]
        print(f"| {what} | {value} | {' | '.join(cells)} |", flush=True)
    if args.json:
        args.json.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
