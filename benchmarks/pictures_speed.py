"""Images a second of photographs at 224 pixels, from a folder and from a .rec: whole passes, nothing trained.

    python benchmarks/data_speed.py pictures --rounds 5 --json pictures.json    # or pictures_speed.py alone:
    python benchmarks/pictures_speed.py --rounds 1
    python benchmarks/data_speed.py pictures --size 1280 960 --pictures 200

Ours reads ahead on threads, as it does for a data set that does not fit into memory. Beside it: Gluon's ``DataLoader``
over ``ImageFolderDataset`` and ``ImageRecordDataset``, and torchvision's ``ImageFolder`` in PyTorch's ``DataLoader``,
with 4 worker processes each; MXNet's ``ImageRecordIter`` with as many threads as there are cores. All give float32
batches of the middle of a picture whose short side was resized. The photographs are made up: noise of several
wavelengths, as JPEG of quality 90. Each round measures all of them one after the other, each in a process of its own;
the first pass is not counted, and the median of the rounds is reported. Beside it stands what an image costs in
processor time, of all threads and processes, which says more where a machine has something else to do.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import arguments
import numpy as np
import psutil

SIDE, BATCH_SIZE, CLASSES, WORKERS = 224, 64, 4, 4


def make_pictures(root, number, size):
    """Write photographs that are about as hard to decode as real ones, in a folder for each class of each part."""
    from PIL import Image

    stream, (width, height) = np.random.RandomState(0), size
    for index in range(number + CLASSES):
        pixels = stream.normal(120, 4, (height, width, 3)).astype(np.float32)
        for waves in (4, 16, 64, 250):
            coarse = stream.normal(
                0, 60 / waves**0.35, (3, max(2, height * waves // 500), max(2, width * waves // 500))
            )
            for channel, plane in enumerate(coarse.astype(np.float32)):
                pixels[..., channel] += np.asarray(Image.fromarray(plane).resize((width, height), Image.BICUBIC))
        folder = root / ("train" if index < number else "test") / f"class{index % CLASSES}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{index}.jpg", quality=90)


def ours(read, place):
    from gluon_cnn.data.batches import make_batches
    from gluon_cnn.recipe import Recipe

    recipe = Recipe("alexnet", None, 1, BATCH_SIZE, lr=0.1, side=SIDE, init="own", image_channels=3)
    return make_batches(read(place, recipe, memory=0), BATCH_SIZE, seed=0)[0]


def from_folder(root):
    from gluon_cnn.data.folder import read_folder_of

    return ours(read_folder_of, root / "pictures")


def from_records(root):
    from gluon_cnn.data.records import read_records

    return ours(read_records, root / "train.rec")


def gluon(dataset):
    from mxnet import gluon
    from mxnet.gluon.data.vision import transforms

    steps = [transforms.Resize(SIDE, keep_ratio=True), transforms.CenterCrop(SIDE), transforms.ToTensor()]
    data = dataset.transform_first(transforms.Compose(steps))
    return gluon.data.DataLoader(data, BATCH_SIZE, shuffle=True, num_workers=WORKERS)


def gluon_folder(root):
    from mxnet.gluon.data.vision import ImageFolderDataset

    return gluon(ImageFolderDataset(str(root / "pictures" / "train")))


def gluon_records(root):
    from mxnet.gluon.data.vision import ImageRecordDataset

    return gluon(ImageRecordDataset(str(root / "train.rec")))


def record_iter(root):
    import mxnet as mx

    class Passes:
        def __init__(self):
            threads = len(os.sched_getaffinity(0))
            path = str(root / "train.rec")
            shape = (3, SIDE, SIDE)
            self.data = mx.io.ImageRecordIter(
                path_imgrec=path, data_shape=shape, batch_size=BATCH_SIZE, shuffle=True, resize=SIDE,
                preprocess_threads=threads,
            )  # fmt: skip

        def __iter__(self):
            self.data.reset()
            return ((batch.data[0], batch.label[0]) for batch in self.data)

    return Passes()


def torchvision_folder(root):
    import torch
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    steps = [transforms.Resize(SIDE), transforms.CenterCrop(SIDE), transforms.ToTensor()]
    data = ImageFolder(str(root / "pictures" / "train"), transforms.Compose(steps))
    return torch.utils.data.DataLoader(data, BATCH_SIZE, shuffle=True, num_workers=WORKERS)


LOADERS = {
    "folder": from_folder,
    "records": from_records,
    "gluon-folder": gluon_folder,
    "gluon-records": gluon_records,
    "record-iter": record_iter,
    "torchvision": torchvision_folder,
}


def measure(loader, root, seconds=3):
    """Images a second, and milliseconds of processor time an image, of the passes after the first, which take some
    seconds at least."""
    data = LOADERS[loader](Path(root))
    for _ in data:
        pass
    start, spent, images = time.perf_counter(), processor_seconds(), 0
    while time.perf_counter() < start + seconds:
        for X, _ in data:
            if hasattr(X, "wait_to_read"):
                X.wait_to_read()
            images += len(X)
    return images / (time.perf_counter() - start), 1000 * (processor_seconds() - spent) / images


def processor_seconds():
    """Those of this process, of its children that have ended, and of those that live."""
    me = psutil.Process()
    living = sum(sum(child.cpu_times()[:2]) for child in me.children(recursive=True))
    return sum(me.cpu_times()[:4]) + living


def write_records(root):
    """A .rec of the folder, and the index that Gluon's ``ImageRecordDataset`` needs."""
    from gluon_cnn.data.folder_files import find_pictures
    from gluon_cnn.data.record_file import read_spans
    from gluon_cnn.data.to_records import write_records

    write_records(find_pictures(root / "pictures"), root / "train.rec", lambda encoded, name: None)
    with open(root / "train.rec", "rb") as file:
        lines = [f"{number}\t{span.begin}\n" for number, span in enumerate(read_spans(file))]
    (root / "train.idx").write_text("".join(lines))


def main(argv=None):
    parser = arguments.parser(__doc__)
    parser.add_argument("--size", nargs=2, type=arguments.count, default=(500, 375), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--pictures", type=arguments.count, default=512)
    parser.add_argument("--rounds", type=arguments.count, default=5)
    parser.add_argument("--loaders", nargs="+", choices=LOADERS, default=list(LOADERS))
    parser.add_argument("--json", type=Path, help="write every measurement to this file")
    parser.add_argument("--one", nargs=2, metavar=("LOADER", "DIR"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.one:
        print(json.dumps(measure(*args.one)))
        return
    measured = {loader: [] for loader in args.loaders}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_pictures(root / "pictures", args.pictures, args.size)
        write_records(root)
        for number in range(1, args.rounds + 1):
            for loader in list(measured):
                found = in_a_process(loader, root)
                if found is None:
                    print(f"{loader} is left out: it does not run here", flush=True)
                    del measured[loader]
                    continue
                measured[loader].append(found)
                print(f"round {number}, {loader}: {found[0]:,.0f} images/s, {found[1]:.2f} ms each", flush=True)
    report(measured)
    if args.json:
        args.json.write_text(json.dumps(measured, indent=1) + "\n")


def report(measured):
    medians = {loader: [statistics.median(column) for column in zip(*found)] for loader, found in measured.items()}
    mine = [loader for loader in ("folder", "records") if loader in medians]
    columns = [f"{loader}, {what}" for what in ("images/s", "processor") for loader in mine]
    print(
        "\n| loader | images/s | processor ms an image | " + " | ".join(f"over it: {name}" for name in columns) + " |"
    )
    print("| --- " * (3 + len(columns)) + "|")
    for loader, (speed, cost) in medians.items():
        times = [medians[one][0] / speed for one in mine] + [cost / medians[one][1] for one in mine]
        print(f"| {loader} | {speed:,.0f} | {cost:.2f} | " + " | ".join(f"{each:.2f}" for each in times) + " |")


def in_a_process(loader, root):
    """What :func:`measure` gives; None if the loader cannot run, as where torchvision is not installed."""
    command = [sys.executable, __file__, "--one", loader, str(root)]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        print(ended.stderr.strip().splitlines()[-1:], flush=True)
        return None
    return json.loads(ended.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
