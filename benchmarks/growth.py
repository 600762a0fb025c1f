"""How the cost of training grows: with the image's size, the batch, and the number of epochs.

    python benchmarks/growth.py --rounds 5 --json growth.json

Every row is a training by the command line in a process of its own, of 512 images and two epochs, of which the second
counts; LeNet's rows of the number of epochs are whole trainings, start included, on all 60,000 images. Medians of the
rounds. How it grows with the network is what train_speed.py measures.
"""

import functools
import json
import statistics
import time
from pathlib import Path

import arguments
from train_speed import ours

SIDES, BATCH_SIZES, EPOCHS = (80, 96, 128, 160, 192, 224), (16, 32, 64, 128, 256), (1, 2, 5, 10)


def rows(model):
    """What is changed, its value, and the measurement."""
    for side in SIDES:
        yield f"side of {model}'s images", side, functools.partial(training, model, 128, side)
    for batch_size in BATCH_SIZES:
        yield f"batch of {model}", batch_size, functools.partial(training, model, batch_size, 224)
    for epochs in EPOCHS:
        yield "epochs of lenet", epochs, functools.partial(whole, epochs)


def training(model, batch_size, side):
    found = ours(model, (512, 128), "--batch-size", batch_size, "--resize", side)
    return {"images_per_sec": found["images_per_sec"], "peak_mib": found["peak_mib"]}


def whole(epochs):
    start = time.perf_counter()
    found = ours("lenet", (60_000, 10_000), epochs=epochs)
    return {"seconds": time.perf_counter() - start, "peak_mib": found["peak_mib"]}


def main():
    parser = arguments.parser(__doc__)
    parser.add_argument("--model", default="nin", help="(default nin)")
    parser.add_argument("--rounds", type=arguments.count, default=5)
    parser.add_argument("--json", type=Path, help="write every measurement to this file")
    args = parser.parse_args()
    measured = [{"what": what, "value": value, "results": []} for what, value, _ in rows(args.model)]
    for number in range(1, args.rounds + 1):
        for row, (what, value, measure) in zip(measured, rows(args.model)):
            row["results"].append(measure())
            print(f"round {number}, {what}, {value}: {row['results'][-1]}", flush=True)
    print("\n| | | images/s | s | peak, MiB |\n| --- | --- | --- | --- | --- |")
    for row in measured:
        results = row["results"]
        found = {name: statistics.median(result[name] for result in results) for name in results[0]}
        speed, seconds = found.get("images_per_sec"), found.get("seconds")
        cells = [f"{speed:,.1f}" if speed else "", f"{seconds:,.1f}" if seconds else "", f"{found['peak_mib']:,.0f}"]
        print(f"| {row['what']} | {row['value']} | {' | '.join(cells)} |")
    if args.json:
        args.json.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
