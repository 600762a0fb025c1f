"""Inspection: how long it takes to find what excites every channel of a network, in test passes.

    python benchmarks/inspection_speed.py --models lenet nin --images 128 --rounds 5
    python benchmarks/inspection_speed.py --models nin --images 500 --rounds 1 --page

Each round measures a test pass of the optimised network, as ``evaluate`` runs it, and one in which
``gluon_cnn.inspection.excitation.excitation`` looks at each convolution and dense layer. It is the processor's time on
one thread that is measured, which other programs change little; medians are reported. ``--page`` measures the whole
page that ``inspect`` writes too, and says what one of 10,000 images would take: what the pass over them takes grows
with their number, all else does not.
"""

import statistics
import tempfile
import time
from pathlib import Path

import arguments

import gluon_cnn
from gluon_cnn import get_recipe, runtime
from gluon_cnn.data import FASHION_MNIST, SAMPLE, read_fashion_mnist
from gluon_cnn.data.inputs import Inputs
from gluon_cnn.inspection import write_page
from gluon_cnn.inspection.answers import answers
from gluon_cnn.inspection.excitation import excitation
from gluon_cnn.inspection.layers import innermost_layers
from gluon_cnn.inspection.untrained import untrained_network
from gluon_cnn.models import list_models
from gluon_cnn.training.onednn import for_inference

# isort: split
import mxnet as mx


def seconds(function, *args):
    """The processor's time that a call takes."""
    began = time.process_time()
    function(*args)
    return time.process_time() - began


def measure(model, images, rounds):
    """The seconds of a test pass and of one that looks at all layers, a list of each."""
    recipe = get_recipe(model)
    net = untrained_network(recipe)
    resize = None if recipe.side == 28 else recipe.side
    test = gluon_cnn.load_data_fashion_mnist(64, resize, root=SAMPLE, test_size=images)[1]
    paths = [path for path, layer in innermost_layers(net).items() if layer._reg_params]
    net.hybridize(static_alloc=True, static_shape=True)
    net(next(iter(test))[0]).wait_to_read()
    with for_inference(net, recipe, [mx.cpu()], 10_000) as fastest:
        answers(fastest, test)
        excitation(net, test, paths)
        both = [(seconds(answers, fastest, test), seconds(excitation, net, test, paths)) for _ in range(rounds)]
    return list(zip(*both))


def page_seconds(model, images):
    """The seconds of a page of so many images."""
    recipe, test = get_recipe(model), read_fashion_mnist(SAMPLE).test
    net = untrained_network(recipe)
    net.hybridize(static_alloc=True)

    def page():
        with tempfile.TemporaryDirectory() as directory:
            options = {"images": images, "untrained": untrained_network(recipe), "quiet": True}
            write_page(net, Inputs(FASHION_MNIST, recipe.side), test, Path(directory) / "page", **options)

    page()
    return seconds(page)


def main():
    """Measure each network and print a line about it."""
    parser = arguments.parser(__doc__)
    parser.add_argument("--models", nargs="+", choices=list_models(), default=["lenet", "nin"])
    parser.add_argument("--images", type=arguments.count, default=128, help="of the sample, 500 at most (default 128)")
    parser.add_argument("--rounds", type=arguments.count, default=5)
    parser.add_argument("--page", action="store_true", help="the whole page too")
    args = parser.parse_args()
    runtime.set_threads(1)
    for model in args.models:
        passes, looks = map(statistics.median, measure(model, args.images, args.rounds))
        print(
            f"{model}: test pass {passes:.2f} s, inspection {looks:.2f} s, {looks / passes:.2f} test passes", flush=True
        )
        if args.page:
            beside = page_seconds(model, args.images) - looks
            ratio = (beside + looks / args.images * 10_000) / (passes / args.images * 10_000)
            print(f"{model}: all else of the page {beside:.1f} s; of 10,000 images {ratio:.2f} test passes", flush=True)


if __name__ == "__main__":
    main()
