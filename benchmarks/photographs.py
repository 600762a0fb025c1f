"""Prediction for photographs: test images of Fashion-MNIST drawn as photographs, and pictures of other things.

    python benchmarks/photographs.py --images 200 --json photographs.json
    python benchmarks/photographs.py --images 200 --foreign /usr/share/icons/Adwaita/96x96/devices
    python benchmarks/photographs.py --limits
    python benchmarks/photographs.py --figure docs/predict.png

For each kind in drawn_photographs.py it measures the accuracy of ``pretrained:lenet`` on the pictures as they are, on
the same inverted, and as ``gluon-cnn predict`` sees them, and how many it warns of. For each kind in
foreign_pictures.py it measures how many it warns of. ``--limits`` measures the limits of the warning on the training
images outside of the sample, and how many of the 10,000 test images are beyond them. ``--figure`` draws a few of the
pictures beside what the network sees.
"""

import io
import json
from pathlib import Path

import arguments
import numpy as np
from drawn_photographs import PHOTOGRAPHS
from foreign_pictures import FOREIGN
from scipy.special import softmax

import gluon_cnn
from gluon_cnn.data import FASHION_MNIST, SAMPLE, read_fashion_mnist
from gluon_cnn.data.as_fashion_mnist import read_picture
from gluon_cnn.data.image_formats import pictures_in
from gluon_cnn.data.scaled import to_batch
from gluon_cnn.data.seen import Seen, save_seen
from gluon_cnn.data.unlikeness import LIMITS, distances, unlikeness

KEPT = 0.993  # of the training images outside of the sample are within each limit
WAYS = {"as it is": {"as_is": True}, "inverted": {"as_is": True, "invert": True}, "found": {}}


def as_file(image):
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=1)
    return content.getvalue()


def seen(source, **options):
    return read_picture(source, "a picture", **options)


def is_warned_of(picture):
    return picture.problem is not None or unlikeness(picture.image) > 1


def make_network():
    """A function that gives the probabilities of pictures' classes."""
    net = gluon_cnn.get_model("lenet", pretrained=True)
    return lambda pictures: softmax(net(to_batch(np.stack([p.image for p in pictures]))).asnumpy(), axis=1)


def draw_figure(path):
    """A boot on white and as a photograph, a shirt on wood, and a letter: each way, and what the network says."""
    network, test = make_network(), read_fashion_mnist(SAMPLE).test
    chosen = [("on white", 9, {"as_is": True}), ("on white", 9, {}), ("shadow, noise, JPEG 60", 9, {})]
    chosen += [("on wood, JPEG 80", 4, {}), ("a digit", 1, {})]
    rows = []
    for kind, number, options in chosen:
        draw = np.random.default_rng(number)
        image = FOREIGN[kind](draw) if kind in FOREIGN else PHOTOGRAPHS[kind](test.images[number], draw)
        picture = seen(as_file(image), **options)
        (shares,) = network([picture])
        best = [f"{100 * shares[n]:.0f} %  {FASHION_MNIST.classes[n]}" for n in shares.argsort()[::-1][:2]]
        warning = ["Warning: it is unlike the images of Fashion-MNIST"] if is_warned_of(picture) else []
        rows.append(Seen(picture.original, picture.image, ("; ".join(picture.done), *warning, *best)))
    save_seen(rows, path)


def measure_photographs(number):
    """The accuracy in each of the ways, and the share that is warned of, by the kind of photograph."""
    network, test = make_network(), read_fashion_mnist(SAMPLE).test
    labels, found = test.labels[:number], {}
    print(f"{'photographs':<32}" + "".join(f"{name:>10}" for name in (*WAYS, "warned")))
    for kind, photograph in PHOTOGRAPHS.items():
        files = [
            as_file(photograph(image, np.random.default_rng(seed))) for seed, image in enumerate(test.images[:number])
        ]
        ways = {name: [seen(file, **options) for file in files] for name, options in WAYS.items()}
        found[kind] = {name: float(np.mean(network(way).argmax(axis=1) == labels)) for name, way in ways.items()}
        found[kind]["warned"] = warned_of(ways["found"])
        print(f"{kind:<32}" + "".join(f"{100 * share:8.1f} %" for share in found[kind].values()), flush=True)
    return found


def measure_foreign(number, folder):
    """The share that is warned of, by the kind of foreign picture."""
    found = {}
    print(f"{'foreign pictures':<62}{'warned':>10}")
    for kind, foreign in FOREIGN.items():
        files = (as_file(foreign(np.random.default_rng(seed))) for seed in range(number))
        found[kind] = warned_of([seen(file) for file in files])
        print(f"{kind:<62}{100 * found[kind]:8.1f} %", flush=True)
    if folder:
        found[folder] = warned_of([seen(path) for path in pictures_in(folder)])
        print(f"{folder:<62}{100 * found[folder]:8.1f} %")
    return found


def warned_of(pictures):
    return float(np.mean([is_warned_of(picture) for picture in pictures]))


def measure_limits():
    """The limits, and how many images that they were not taken from are beyond them."""
    inside = {image.tobytes() for image in read_fashion_mnist(SAMPLE).train.images}
    full = read_fashion_mnist()
    others = all_distances([image for image in full.train.images if image.tobytes() not in inside])
    limits = ", ".join(f"{limit:.4g}" for limit in np.quantile(others, KEPT, axis=0))
    print(f"{100 * KEPT:g} % of {len(others):,} training images have at most {limits}; the limits are {LIMITS}")
    far = (all_distances(full.test.images) > LIMITS).any(axis=1)
    print(f"{100 * far.mean():.2f} % of {len(far):,} test images are warned of")


def all_distances(images):
    return np.concatenate([distances(np.stack(images[at : at + 1000])) for at in range(0, len(images), 1000)])


def main():
    parser = arguments.parser(__doc__)
    parser.add_argument("--images", type=arguments.count, default=500, help="of each kind, 500 at most (default 500)")
    parser.add_argument("--limits", action="store_true", help="measure the limits alone")
    parser.add_argument("--foreign", metavar="FOLDER", help="a folder of pictures of other things to measure as well")
    parser.add_argument("--only", choices=("photographs", "foreign"), help="measure only these")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw a few of them to this PNG alone")
    parser.add_argument("--json", type=Path, help="also write what was measured to this file")
    args = parser.parse_args()
    if args.limits:
        measure_limits()
        return
    if args.figure:
        draw_figure(args.figure)
        return
    found = {}
    if args.only != "foreign":
        found["photographs"] = measure_photographs(args.images)
    if args.only != "photographs":
        found["foreign"] = measure_foreign(args.images, args.foreign)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
