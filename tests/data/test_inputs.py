"""What a network takes, from images as its data set stores them."""

import dataclasses

import pytest
from pictures import noise

from gluon_cnn.data import FASHION_MNIST, DatasetInfo
from gluon_cnn.data.inputs import Inputs
from gluon_cnn.data.scaled import to_batch
from gluon_cnn.decoding import convert
from gluon_cnn.errors import Malformed

COLOUR = DatasetInfo("pictures", ("a", "b"), channels=3, side=32)
NORMALISED = dataclasses.replace(COLOUR, mean=(0.5, 0.4, 0.3), deviation=(0.2, 0.25, 0.3))


@pytest.mark.parametrize(
    ("dataset", "side", "options"),
    [
        (FASHION_MNIST, 28, {"resize": None, "crop": None}),
        (FASHION_MNIST, 96, {"resize": 96, "crop": None}),
        (FASHION_MNIST, 20, {"resize": 20, "crop": None}),
        (COLOUR, 32, {"resize": None, "crop": None}),
        (dataclasses.replace(COLOUR, cropped=True), 24, {"resize": None, "crop": 24}),
        (dataclasses.replace(COLOUR, cropped=True), 32, {"resize": None, "crop": None}),
        (NORMALISED, 32, {"resize": None, "crop": None}),
    ],
)
def test_stored_images_become_what_a_network_takes(dataset, side, options):
    inputs = Inputs(dataset, side)
    assert {name: inputs.options[name] for name in options} == options
    images = noise(4, dataset.side)
    images = images if dataset.channels == 3 else images[..., 0]
    assert images.shape[1:] == inputs.stored
    batch = inputs.batch(images).asnumpy()
    assert batch.shape[1:] == inputs.shape
    assert (batch == to_batch(images, mean=dataset.mean, deviation=dataset.deviation, **options).asnumpy()).all()


@pytest.mark.parametrize("dataset", [FASHION_MNIST, COLOUR, NORMALISED])
def test_a_batch_becomes_bytes_again(dataset):
    inputs, images = Inputs(dataset, dataset.side), noise(4, dataset.side)
    images = images if dataset.channels == 3 else images[..., 0]
    assert (inputs.bytes_of(inputs.batch(images).asnumpy()) == images).all()


def test_words_say_how_images_are_normalised():
    assert str(Inputs(FASHION_MNIST, 28)) == "float32 N×1×28×28 in [0, 1]"
    expected = "float32 N×3×32×32, numbers in [0, 1] minus 0.5, 0.4, 0.3, divided by 0.2, 0.25, 0.3"
    assert str(Inputs(NORMALISED, 32)) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": [0.5]},
        {"deviation": None},
        {"deviation": [0.1, 0.0, 0.1]},
        {"deviation": [0.1, -0.2, 0.1]},
        {"mean": [0.1, 0.2], "deviation": [0.1, 0.2]},
        {"mean": "0.5"},
        {"mean": [0.5, 0.5, 1.5]},
        {"mean": [0.5, 0.5, float("nan")]},
        {"deviation": [0.1, 0.1, 1e-300]},
        {"channels": 2, "mean": None, "deviation": None},
        {"mean": [1e300, 0, 0]},
        {"cropped": 2},
    ],
)
def test_changed_descriptions_are_refused(changes):
    with pytest.raises(Malformed):
        convert({**dataclasses.asdict(NORMALISED), **changes}, DatasetInfo)


def test_a_description_is_read_as_it_was_written():
    content = {**dataclasses.asdict(NORMALISED), "classes": ["a", "b"], "mean": [0.5, 0.4, 0.3]}
    content["deviation"] = list(NORMALISED.deviation)
    assert convert(content, DatasetInfo) == NORMALISED
    for name in ("mean", "deviation", "cropped"):  # as before there were these
        del content[name]
    assert convert(content, DatasetInfo) == COLOUR
