"""Images a second of the loader beside the book's: whole passes over the training part, nothing trained.

    python benchmarks/data_speed.py --sizes 28 96 224 --rounds 5 --json data.json
    python benchmarks/data_speed.py pictures --rounds 5 --json pictures.json

The second is of photographs in a folder and in a .rec, see pictures_speed.py.


The book's is Gluon's ``DataLoader`` with its transforms, and 0, 2 and 4 worker processes. Each round measures all of
them one after the other, each in a process of its own; the first pass is not counted, and the median of the
rounds is reported.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import arguments
import pictures_speed

#: Images of a pass, by size.
IMAGES = {28: 60_000, 96: 20_000, 224: 6_000}
BATCH_SIZES = {28: 256}
LOADERS = ("ours", "book-0", "book-2", "book-4")


def batches(loader, size):
    """An iterable of batches, each waited for by its user."""
    resize, batch_size, number = (None if size == 28 else size), BATCH_SIZES.get(size, 128), IMAGES.get(size, 6_000)
    if loader == "ours":
        from gluon_cnn import load_data_fashion_mnist

        return load_data_fashion_mnist(batch_size, resize, train_size=number, seed=0)[0]
    import mxnet as mx
    from mxnet import gluon
    from mxnet.gluon.data.vision import transforms

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # see book_code.py
    from gluon_cnn.data import read_fashion_mnist

    part = read_fashion_mnist().train
    transform = transforms.Compose([*([transforms.Resize(resize)] if resize else []), transforms.ToTensor()])
    images = mx.nd.array(part.images[:number, ..., None], dtype="uint8")
    dataset = gluon.data.ArrayDataset(images, part.labels[:number]).transform_first(transform)
    return gluon.data.DataLoader(dataset, batch_size, shuffle=True, num_workers=int(loader.split("-")[1]))


def measure(loader, size):
    """Images a second of the passes after the first, which take a second at least."""
    data = batches(loader, size)
    for _ in data:
        pass
    start, images = time.perf_counter(), 0
    while time.perf_counter() < start + 1:
        for X, y in data:
            X.wait_to_read()
            images += len(y)
    return images / (time.perf_counter() - start)


def main():
    if sys.argv[1:2] == ["pictures"]:
        pictures_speed.main(sys.argv[2:])
        return
    parser = arguments.parser(__doc__)
    parser.add_argument("--sizes", nargs="+", type=arguments.count, default=list(IMAGES))
    parser.add_argument("--rounds", type=arguments.count, default=5)
    parser.add_argument("--json", type=Path, help="write every measurement to this file")
    parser.add_argument("--one", nargs=2, metavar=("LOADER", "SIZE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(measure(args.one[0], int(args.one[1])))
        return
    measured = {size: {loader: [] for loader in LOADERS} for size in args.sizes}
    for number in range(1, args.rounds + 1):
        for size in args.sizes:
            for loader in LOADERS:
                measured[size][loader].append(in_a_process(loader, size))
                print(f"round {number}, {size}, {loader}: {measured[size][loader][-1]:,.0f} images/s", flush=True)
    print(
        "\n| pixels | " + " | ".join(LOADERS) + " | ours over the book's best |\n" + "| --- " * (len(LOADERS) + 2) + "|"
    )
    for size, loaders in measured.items():
        medians = {loader: statistics.median(rounds) for loader, rounds in loaders.items()}
        best = max(speed for loader, speed in medians.items() if loader != "ours")
        print(
            f"| {size} | {' | '.join(f'{speed:,.0f}' for speed in medians.values())} | {medians['ours'] / best:.2f} |"
        )
    if args.json:
        args.json.write_text(json.dumps(measured, indent=1) + "\n")


def in_a_process(loader, size):
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, __file__, "--one", loader, str(size)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout)


if __name__ == "__main__":
    main()
