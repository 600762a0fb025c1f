"""What checkpoints cost: steps of a training with a checkpoint written meanwhile, and without, in turn.

python benchmarks/saving_cost.py --model alexnet --steps 6 --rounds 5
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from gluon_cnn import _runtime, get_recipe
from gluon_cnn.device import parse_context
from gluon_cnn.training.initial_weights import initialize_from_seed
from gluon_cnn.training.loop import train_steps
from gluon_cnn.training.metrics import Sums
from gluon_cnn.training.saver import Saver
from gluon_cnn.training.train import SAVE_EVERY, SAVE_SHARE, load_data


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="alexnet", help="(default alexnet)")
    parser.add_argument("--momentum", type=float, default=0.0, help="a state as large as the network (default 0)")
    parser.add_argument("--steps", type=int, default=6, help="steps of one measurement (default 6)")
    parser.add_argument("--rounds", type=int, default=5, help="(default 5)")
    args = parser.parse_args()

    devices = parse_context("auto")
    recipe = get_recipe(args.model, data="sample", init="seed", momentum=args.momentum)
    train_iter, _ = load_data(recipe, None, devices[0])
    net = recipe.network(hybrid=True)
    initialize_from_seed(net, 0, (1, 1, recipe.resize or 28, recipe.resize or 28), ctx=devices)
    _runtime.set_threads(_runtime.threads())
    net.hybridize(static_alloc=True, static_shape=True)
    trainer = recipe.trainer(list(net.collect_params().values()))

    def batches():
        while True:
            yield from (batch for batch in train_iter if len(batch[1]) == recipe.batch_size)

    sums = Sums()
    steps = train_steps(net, batches(), trainer, devices, sums)
    take(steps, sums, 3)  # compiled, and in step
    measured, taken = {False: [], True: []}, []
    with tempfile.TemporaryDirectory() as directory:
        for number in range(args.rounds):
            for saving in (False, True):
                began = time.perf_counter()
                with Saver(Path(directory)) as saver:
                    if saving:
                        saver.save(net, trainer, {"epoch": number + 1, "step": 0, "history": []})
                    take(steps, sums, args.steps)
                measured[saving].append(time.perf_counter() - began)
                if saving:
                    taken.append(saver.seconds)
            print(f"round {number + 1}: {measured[False][-1]:.2f} s, with a checkpoint {measured[True][-1]:.2f} s")
        size = sum(path.stat().st_size for path in next(Path(directory).iterdir()).iterdir())
    cost = statistics.median(b - a for a, b in zip(measured[False], measured[True]))
    beside = statistics.median(taken)
    every = max(SAVE_EVERY, SAVE_SHARE * beside)
    print(
        f"a checkpoint of {args.model}, {size / 1e6:.0f} MB, takes {beside:.2f} s beside the training and costs it "
        f"{cost:.2f} s (medians): {cost / every:.2%} of a run, which saves every {every:.0f} s"
    )


def take(steps, sums, number):
    for _ in range(number):
        next(steps)
    sums.read()


if __name__ == "__main__":
    main()
