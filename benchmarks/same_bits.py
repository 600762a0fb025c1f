"""Short trainings on the sample, and a hash of what each has learned: a change that should compute nothing else prints
the same lines before and after.

    python benchmarks/same_bits.py > before.txt
    python benchmarks/same_bits.py | diff before.txt -

Each training is a process of its own, by the command line. The bits depend on the processor and on the number of
threads, so compare the lines of one machine only.
"""

import contextlib
import hashlib
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import arguments

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import mxnet as mx

PROGRAM = str(Path(sys.executable).with_name("gluon-cnn"))
SMALL = {"train_size": 384, "test_size": 128, "batch_size": 64, "epochs": 1}

# name: network, edition, what differs from its recipe
TRAININGS = {
    "lenet zh-v1": ("lenet", "zh-v1", {"epochs": 3}),
    "lenet en": ("lenet", "en", {"epochs": 3, "seed": 3}),
    "lenet own weights, nag": ("lenet", "zh-v1", {"epochs": 3, "init": "own", "optimizer": "nag", "momentum": 0.9}),
    "nin 96, augmented, momentum": (
        "nin", "zh-v1", {**SMALL, "side": 96, "augment": True, "momentum": 0.9, "lr": 0.01}
    ),
    "nin 96, variant": (
        "nin", "en", {**SMALL, "side": 96, "final_relu": False, "num_mlp_layers": 1, "clip_gradient": 0.01}
    ),
    "alexnet 96": ("alexnet", "zh-v1", {**SMALL, "side": 96}),
    "alexnet 80, adam": ("alexnet", "adam", {**SMALL, "side": 80}),
    "vgg 80": ("vgg11", "zh-v1", {**SMALL, "side": 80}),
    "vgg 224, published weights": ("vgg11", "en", {**SMALL, "train_size": 64, "test_size": 64}),
    "zoo network, schedule": (
        "gluoncv:cifar_resnet20_v1", None,
        {**SMALL, "epochs": 2, "lr_schedule": "cosine", "warmup_epochs": 1},
    ),
}  # fmt: skip


def command(name, out):
    model, edition, changes = TRAININGS[name]
    words = ["train", model, *(["--edition", edition] if edition else []), "--data", "sample"]
    for setting, value in changes.items():
        words += ["--set", f"{setting}={value}"]
    return [*words, "--out", str(out), "--quiet"]


def run(words):
    subprocess.run([PROGRAM, *words], check=True, stdout=subprocess.DEVNULL)


def stopped_and_resumed(name, out):
    """Stop a training by SIGTERM after its first saved step, and resume it."""
    words = [*command(name, out), "--checkpoint-every", "2"]
    process = subprocess.Popen([PROGRAM, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(out.glob("checkpoint/epoch-*")):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    if process.wait() != 128 + signal.SIGTERM:
        sys.exit(f"{name} ended before it could be stopped")
    run([*words, "--resume"])


def print_hash(name, out):
    """The hash of the parameters of the last epoch, and of the history without its times."""
    digest = hashlib.sha256()
    last = sorted(out.glob("checkpoint/epoch-???"))[-1]
    for parameter, array in sorted(mx.nd.load(str(last / "net.params")).items()):
        digest.update(f"{parameter} {array.shape} {array.dtype}".encode())
        digest.update(array.asnumpy().tobytes())
    rows = (out / "history.csv").read_text().splitlines()[1:]
    history = hashlib.sha256("\n".join(",".join(row.split(",")[:4]) for row in rows).encode()).hexdigest()
    print(f"{name:32} {digest.hexdigest()} {history[:16]}", flush=True)


def print_hashes_of_book_functions():
    """The book's own functions, in both kinds of arrays."""
    for numpy_arrays in (False, True):
        (mx.npx.set_np if numpy_arrays else mx.npx.reset_np)()
        mx.random.seed(1)
        net = gluon_cnn.lenet()
        batches = gluon_cnn.load_data_fashion_mnist(128, root=gluon_cnn.data.SAMPLE, seed=0)
        with contextlib.redirect_stdout(io.StringIO()):  # which has times
            history = gluon_cnn.train_ch6(net, *batches, num_epochs=2, lr=0.9, device=mx.cpu())
        digest = hashlib.sha256()
        for parameter in net.collect_params().values():
            digest.update(parameter.data().asnumpy().tobytes())
        digest.update(str([(r.train_loss, r.train_acc, r.test_acc) for r in history]).encode())
        print(f"{'train_ch6, mx.np' if numpy_arrays else 'train_ch6, mx.nd':32} {digest.hexdigest()}", flush=True)


def main():
    arguments.parser(__doc__).parse_args()
    os.environ.pop("DMLC_ROLE", None)
    with tempfile.TemporaryDirectory() as directory:
        directory = Path(directory)
        for number, name in enumerate(TRAININGS):
            out = directory / str(number)
            run(command(name, out))
            print_hash(name, out)
        for name in ("nin 96, augmented, momentum", "zoo network, schedule"):
            out = directory / f"stopped {name[:3]}"
            stopped_and_resumed(name, out)
            print_hash(f"{name}, stopped"[:32], out)
        out = directory / "workers"
        run(["launch", "-n", "2", "--", *command("lenet zh-v1", out), "--kvstore", "dist_sync"])
        print_hash("lenet, two workers", out)
    sys.stdout.flush()
    print_hashes_of_book_functions()


if __name__ == "__main__":
    main()
