"""Where a training step's time goes, operator by operator, as MXNet's profiler sees it.

    python benchmarks/operators.py lenet --steps 200
    python benchmarks/operators.py nin

Operators are not run in bulk, because the profiler sees a bulk as one. LeNet's steps are a little longer that way.
"""

import json
import os
import tempfile
from pathlib import Path

import arguments

os.environ.setdefault("MXNET_EXEC_BULK_EXEC_TRAIN", "0")  # read when mxnet is imported

from recipe_steps import recipe_steps

from gluon_cnn.models import list_models

# isort: split
import mxnet as mx


def main():
    parser = arguments.parser(__doc__)
    parser.add_argument("model", choices=list_models())
    parser.add_argument("--steps", type=arguments.count, default=3, help="(default 3)")
    args = parser.parse_args()
    take = recipe_steps(args.model)[1].take
    take(max(2, args.steps // 4))  # compiled, and in step
    with tempfile.TemporaryDirectory() as directory:
        mx.profiler.set_config(
            profile_symbolic=True,
            profile_imperative=True,
            aggregate_stats=True,
            filename=str(Path(directory) / "profile.json"),
        )
        mx.profiler.set_state("run")
        step = 1000 * take(args.steps)
        mx.profiler.set_state("stop")
        found = json.loads(mx.profiler.dumps(format="json"))["Time"]["operator"]
    rows = sorted(((total["Total"], total["Count"], name) for name, total in found.items()), reverse=True)
    print(f"{args.model}: {step:,.1f} ms a step\n\n| operator | calls a step | ms a step | share |")
    print("| --- | --- | --- | --- |")
    for total, count, name in rows:
        milliseconds = total / args.steps
        if milliseconds >= 0.005 * step:
            share = milliseconds / step
            print(f"| {name} | {count / args.steps:.0f} | {milliseconds:,.2f} | {share:.1%} |")


if __name__ == "__main__":
    main()
