"""What checkpoints cost: steps of a training with a checkpoint written meanwhile, and without, in turn.

python benchmarks/saving_cost.py --model alexnet --steps 6 --rounds 5
"""

import statistics
import tempfile
import time
from pathlib import Path

import arguments
from recipe_steps import recipe_steps

from gluon_cnn.training.epochs import SAVE_EVERY, SAVE_SHARE
from gluon_cnn.training.manifest import State
from gluon_cnn.training.saver import Saver


def main():
    parser = arguments.parser(__doc__)
    parser.add_argument("--model", default="alexnet", help="(default alexnet)")
    parser.add_argument("--momentum", type=float, default=0.0, help="a state as large as the network (default 0)")
    parser.add_argument("--steps", type=arguments.count, default=6, help="steps of one measurement (default 6)")
    parser.add_argument("--rounds", type=arguments.count, default=5, help="(default 5)")
    args = parser.parse_args()

    _, steps = recipe_steps(args.model, data="sample", momentum=args.momentum)
    steps.take(3)  # compiled, and in step
    measured, taken = {False: [], True: []}, []
    with tempfile.TemporaryDirectory() as directory:
        for number in range(args.rounds):
            for saving in (False, True):
                began = time.perf_counter()
                with Saver(Path(directory)) as saver:
                    if saving:
                        saver.save(steps.setup.net, steps.setup.trainer, State({}, step=number + 1))
                    steps.take(args.steps)
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


if __name__ == "__main__":
    main()
