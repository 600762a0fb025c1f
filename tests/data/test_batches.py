"""The loader, against MXNet's own transforms and DataLoader on the same real images."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from mxnet.gluon.data.vision import transforms
from pictures import noise
from PIL import Image

from gluon_cnn import GluonCNNError, load_data_fashion_mnist
from gluon_cnn.data import SAMPLE, read_fashion_mnist
from gluon_cnn.data.scaled import to_batch


def mxnets_loader(part, batch_size, resize, shuffle):
    steps = [transforms.Resize(resize)] if resize else []
    images = mx.nd.array(part.images[..., None], dtype="uint8")
    dataset = gluon.data.ArrayDataset(images, part.labels)
    dataset = dataset.transform_first(transforms.Compose([*steps, transforms.ToTensor()]))
    return gluon.data.DataLoader(dataset, batch_size, shuffle=shuffle)


@pytest.mark.parametrize(("resize", "number"), [(None, 2000), (96, 300), (224, 100), ((40, 32), 100)])
def test_same_bits_as_the_books_loader(sample, resize, number):
    _, train, test, *_ = read_fashion_mnist(SAMPLE)
    ours = sample(64, resize, train_size=number, test_size=100)
    for part, mine, shuffle in zip((train, test), ours, (True, False)):
        size = number if shuffle else 100
        theirs = mxnets_loader(type(part)(part.images[:size], part.labels[:size]), 64, resize, shuffle)
        np.random.seed(7)
        expected = list(theirs)
        np.random.seed(7)
        batches = list(mine)
        assert len(batches) == len(expected) == len(mine)
        for (X, y), (X_expected, y_expected) in zip(batches, expected):
            assert (X.dtype, y.dtype) == (X_expected.dtype, y_expected.dtype) == (np.float32, np.int32)
            assert X.shape == X_expected.shape
            assert (X.asnumpy() == X_expected.asnumpy()).all()
            assert (y.asnumpy() == y_expected.asnumpy()).all()


@pytest.mark.parametrize("resize", [96, 224])
def test_within_one_grey_level_of_pillows_bilinear_resize(sample, resize):
    levels, images = [], read_fashion_mnist(SAMPLE).test.images
    for X, _ in sample(100, resize)[1]:
        levels.append(np.rint(X.asnumpy()[:, 0] * 255).astype(int))
    pillows = [np.asarray(Image.fromarray(image).resize((resize, resize), Image.BILINEAR)) for image in images]
    differences = np.concatenate(levels) - np.stack(pillows)
    share = (differences != 0).mean()
    print(f"{resize}: {share:.1%} of the pixels differ, {differences.mean():+.3f} grey levels in the mean")
    assert np.abs(differences).max() == 1
    assert 0.12 < share < 0.13
    assert -0.1 < differences.mean() < -0.07  # ours are rather the darker ones


def test_short_last_batch_leaves_no_image_out(sample):
    train, test = sample(300, seed=0)
    assert [len(y) for _, y in train] == [300] * 6 + [200]
    labels = np.concatenate([y.asnumpy() for _, y in train])
    assert (np.bincount(labels) == 200).all()
    assert [len(y) for _, y in test] == [300, 200]


def orders(batches, epochs):
    return [np.concatenate([y.asnumpy() for _, y in batches]).tolist() for _ in range(epochs)]


def test_seed_decides_the_order_of_every_epoch(sample):
    first, again, other = (orders(sample(256, seed=seed)[0], 3) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first[0] != first[1] != first[2]


def test_an_epoch_can_begin_in_its_middle(sample):
    train, _ = sample(256, seed=1, augment=True)
    whole = [X.asnumpy() for X, _ in train.epoch(3)]
    rest = [X.asnumpy() for X, _ in train.epoch(3, first_batch=5)]
    assert len(rest) == len(whole) - 5
    assert all((a == b).all() for a, b in zip(whole[5:], rest))


def test_test_part_has_its_own_order(sample):
    assert (orders(sample(100)[1], 2)[0] == read_fashion_mnist(SAMPLE).test.labels).all()


def test_augmentation_changes_training_images_only(sample):
    plain, augmented = sample(64, seed=1), sample(64, seed=1, augment=True)
    (X, y), (X_augmented, y_augmented) = (next(iter(parts[0])) for parts in (plain, augmented))
    assert (y.asnumpy() == y_augmented.asnumpy()).all()
    assert (X.asnumpy() != X_augmented.asnumpy()).any()
    assert X_augmented.min().asscalar() >= 0
    assert X_augmented.max().asscalar() <= 1
    assert all((a[0].asnumpy() == b[0].asnumpy()).all() for a, b in zip(plain[1], augmented[1]))


def test_batches_are_numpy_arrays_in_that_mode(sample, np_arrays):
    X, y = next(iter(sample(8, 96)[0]))
    assert isinstance(X, mx.np.ndarray)
    assert isinstance(y, mx.np.ndarray)
    assert X.shape == (8, 1, 96, 96)


def test_batches_are_made_on_the_device(sample):
    X, y = next(iter(sample(8, ctx=mx.cpu(1))[0]))
    assert X.context == y.context == mx.cpu(1)
    with mx.cpu(2):
        assert next(iter(sample(8)[0]))[0].context == mx.cpu(2)


def test_gpu_gets_images_resized_on_the_cpu(monkeypatch):
    """MXNet's GPUs resize to other bytes. An array that notes where it was moved, as bytes, stands for one."""
    moved = []

    class Gpu:
        device_type = "gpu"

        def __hash__(self):
            return 1

    def moves(array, ctx):
        if ctx.device_type == "gpu":
            moved.append((array.dtype, array.shape))
            return array
        return as_in_context(array, ctx)

    as_in_context = mx.nd.NDArray.as_in_context
    grey, colour = read_fashion_mnist(SAMPLE).test.images[:8], noise(8, 32)
    of_grey, of_colour = {"mean": (0.3,), "deviation": (0.35,)}, {"mean": (0.5, 0.4, 0.3), "deviation": (0.2, 0.3, 0.1)}
    for images, options, side, channels in (
        (grey, {}, 28, 1),
        (grey, {"resize": 224}, 224, 1),
        (grey, of_grey, 28, 1),
        (colour, {}, 32, 3),
        (colour, {"resize": 40, **of_colour}, 40, 3),
        (colour, {"crop": 28, **of_colour}, 28, 3),
    ):
        expected = to_batch(images, **options).asnumpy()
        moved.clear()
        with monkeypatch.context() as patch:
            patch.setattr(mx.nd.NDArray, "as_in_context", moves)
            batch = to_batch(images, ctx=Gpu(), **options).asnumpy()
        assert (np.uint8, (8, side, side, channels)) in moved
        assert all(kind == np.uint8 or len(shape) == 1 for kind, shape in moved)  # of floats only the levels
        assert (batch == expected).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"resize": -1}, "resize is -1"),
        ({"train_size": 2001}, "there are only 2000"),
        ({"test_size": 0}, "test_size is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"batch_size": 10**400}, "batch_size is .* or less"),
        ({"batch_size": 10**5000}, "batch_size is .* or less"),
        ({"resize": 2**31}, "resize is 2147483648; it must be 10000 or less"),
        ({"resize": 10**400}, "resize is .* or less"),
        ({"train_size": 10**400}, "train_size is .* or less"),
        ({"test_size": 2**31}, "test_size is .* or less"),
        ({"seed": 10**400}, "seed is .* or less"),
        ({"part": (0, 0)}, "part is 0"),
        ({"part": (2, 2)}, r"part is \(2, 2\)"),
        ({"part": (-1, 2)}, "part is -1"),
    ],
)
def test_wrong_numbers(arguments, message):
    with pytest.raises(GluonCNNError, match=message):
        load_data_fashion_mnist(**{"batch_size": 64, "root": SAMPLE, **arguments})


@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize(("parts", "batch_size", "number"), [(2, 32, 129), (3, 7, 64), (4, 16, 66)])
def test_parts_make_up_the_whole_batch(sample, parts, batch_size, number, augment):
    """Also where the last batch has fewer images than there are parts."""
    options = {"train_size": number, "seed": 5, "augment": augment}
    whole = sample(batch_size * parts, None, **options)[0]
    shares = [sample(batch_size, None, part=(part, parts), **options)[0] for part in range(parts)]
    assert {len(share) for share in shares} == {len(whole)}
    for epoch in range(2):
        batches = zip(whole.epoch(epoch), *(share.epoch(epoch) for share in shares))
        for step, ((X, y), *pieces) in enumerate(batches):
            sizes = [len(labels) for _, labels in pieces]
            assert sum(sizes) == len(y) == whole.size_of(step) == shares[0].size_of(step)
            assert max(sizes) - min(sizes) <= 1
            assert all(len(images) == max(size, 1) for (images, _), size in zip(pieces, sizes))
            images = [images[:size].asnumpy() for (images, _), size in zip(pieces, sizes) if size]
            labels = [labels.asnumpy() for _, labels in pieces if len(labels)]
            assert (np.concatenate(images) == X.asnumpy()).all()
            assert (np.concatenate(labels) == y.asnumpy()).all()


class Moved(Exception):
    """An array is moved to a GPU."""


@pytest.mark.parametrize(("resize", "side"), [(None, 28), (96, 96), (224, 224)])
@pytest.mark.parametrize("mode", ["nd", "np"])
def test_gpu_gets_bytes_that_the_cpu_made(monkeypatch, mode, request, resize, side):
    if mode == "np":
        request.getfixturevalue("np_arrays")
    images, moved = read_fashion_mnist(SAMPLE).test.images[:8], []
    expected = to_batch(images, resize, mx.cpu()).asnumpy()
    move = mx.nd.NDArray.as_in_context

    def to_gpu(array, context):
        if context.device_type != "gpu":
            return move(array, context)
        moved.append(array)
        raise Moved

    monkeypatch.setattr(mx.nd.NDArray, "as_in_context", to_gpu)
    # MXNet's CPU build refuses every operator on this context, so that all before the move is done on the CPU.
    with pytest.raises(Moved):
        to_batch(images, resize, mx.gpu())
    (sent,) = moved
    assert (sent.dtype, sent.shape, sent.context) == (np.uint8, (8, side, side, 1), mx.cpu())
    assert (sent.asnumpy()[..., 0] == np.rint(expected[:, 0] * 255)).all()


def test_that_context_refuses_operators():
    if mx.runtime.Features().is_enabled("CUDA"):
        pytest.skip("the GPU build of MXNet is installed")
    with pytest.raises(mx.MXNetError):
        mx.nd.zeros(1, ctx=mx.gpu()).wait_to_read()
