"""The machine's rate by a large float32 matrix product in MXNet, on every core: GFLOP/s as JSON.

    python benchmarks/matrix_product.py

``dot`` is ``mx.nd.dot``, which asks the OpenBLAS in MXNet's wheel, and ``dense`` the same product by
``FullyConnected``, which asks oneDNN, as the networks do. Where OpenBLAS does not know the processor, it is far
slower.
"""

import json
import statistics
import time

import arguments

from gluon_cnn import runtime

# isort: split
import mxnet as mx

SIDE = 4096


def rate(product, repeats=5):
    product().wait_to_read()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        product().wait_to_read()
        seconds.append(time.perf_counter() - start)
    return 2 * SIDE**3 / statistics.median(seconds) / 1e9


def main():
    runtime.set_threads(runtime.threads())
    a, b = (mx.nd.random.uniform(shape=(SIDE, SIDE)) for _ in range(2))
    products = {
        "dot": lambda: mx.nd.dot(a, b),
        "dense": lambda: mx.nd.FullyConnected(a, b, num_hidden=SIDE, no_bias=True),
    }
    print(json.dumps({name: rate(product) for name, product in products.items()}))


if __name__ == "__main__":
    arguments.parser(__doc__).parse_args()
    main()
