"""The memory that training steps need beside what their arrays need by count.

    python benchmarks/memory.py alexnet

By count: every layer's output and its gradient, each parameter and its gradient, and the batch, in float32. Measured:
the process's peak after some steps, less what it has with MXNet imported and the data in memory.
"""

import math
import resource

import arguments
import psutil
from recipe_steps import recipe_steps

from gluon_cnn import get_recipe, summary
from gluon_cnn.data import FASHION_MNIST, read_fashion_mnist
from gluon_cnn.models import list_models
from gluon_cnn.training.setup import build_network

MIB = 2**20


def count(recipe):
    """Bytes."""
    side = recipe.side
    table = summary(build_network(recipe, FASHION_MNIST), (1, 1, side, side))
    outputs = recipe.batch_size * sum(math.prod(row.output_shape) for row in table.rows)
    return 4 * (2 * outputs + 2 * table.parameters + recipe.batch_size * side * side)


def main():
    parser = arguments.parser(__doc__)
    parser.add_argument("model", choices=list_models())
    parser.add_argument("--steps", type=arguments.count, default=4, help="(default 4)")
    args = parser.parse_args()
    data = read_fashion_mnist()  # cached, so the steps below do not read it again
    before = psutil.Process().memory_info().rss
    recipe_steps(args.model)[1].take(args.steps)
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    needed = count(get_recipe(args.model))
    print(
        f"{args.model}: by count {needed / MIB:,.0f} MiB; measured {(peak - before) / MIB:,.0f} MiB beyond the "
        f"{before / MIB:,.0f} MiB with {len(data.train.labels):,} images in memory: "
        f"{(peak - before) / needed:.2f} times"
    )


if __name__ == "__main__":
    main()
