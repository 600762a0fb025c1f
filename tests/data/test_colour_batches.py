"""Batches in colour: cut out, resized, normalised, from memory or from anything that reads ahead."""

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon.data.vision import transforms
from pictures import noise

from gluon_cnn.data.batches import Batches
from gluon_cnn.data.moments import Moments
from gluon_cnn.data.scaled import to_batch
from gluon_cnn.errors import SettingError

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGES, LABELS = noise(46, 20), np.arange(46, dtype=np.int32) % 3


class Stored:
    """Images that are not an array, and note what they are asked for."""

    def __init__(self, images):
        self.images, self.asked, self.closed = images, [], 0

    def __len__(self):
        return len(self.images)

    def __getitem__(self, indices):
        return self.images[indices]

    def batches(self, wanted):
        try:
            for indices in wanted:
                self.asked.append(indices.tolist())
                yield self.images[indices]
        finally:
            self.closed += 1


def batches(images=IMAGES, labels=LABELS, **options):
    return Batches(images, labels, 8, **{"shuffle": True, "seed": 1, **options})


def numbers(batches, epoch=2, first_batch=0):
    return [(X.asnumpy(), np.array(y.asnumpy() if len(y) else [])) for X, y in batches.epoch(epoch, first_batch)]


def same(found, expected):
    pairs = list(zip(found, expected))
    return len(found) == len(expected) and all((a[0] == b[0]).all() and (a[1] == b[1]).all() for a, b in pairs)


def test_colour_comes_as_gluons_transforms_give_it():
    images = mx.nd.array(IMAGES, dtype="uint8")
    scaled = transforms.ToTensor()(images)
    assert (to_batch(IMAGES).asnumpy() == scaled.asnumpy()).all()
    normalised = transforms.Normalize(MEAN, DEVIATION)(scaled).asnumpy()
    assert (to_batch(IMAGES, mean=MEAN, deviation=DEVIATION).asnumpy() == normalised).all()
    resized = transforms.ToTensor()(transforms.Resize((24, 30))(images))
    assert (to_batch(IMAGES, (24, 30)).asnumpy() == resized.asnumpy()).all()
    left, top = (20 - 15) // 2, (20 - 15) // 2
    cut = transforms.ToTensor()(transforms.CropResize(left, top, 15, 15)(images))
    assert (to_batch(IMAGES, crop=15).asnumpy() == cut.asnumpy()).all()


@pytest.mark.parametrize("images", [IMAGES, IMAGES[..., 0]], ids=["colour", "grey"])
def test_measured_images_have_mean_zero_and_deviation_one(images):
    moments = Moments(images)
    batch = to_batch(images, mean=moments.mean, deviation=moments.deviation).asnumpy().astype(float)
    assert np.allclose(batch.mean(axis=(0, 2, 3)), 0, atol=1e-6)
    assert np.allclose(batch.std(axis=(0, 2, 3)), 1, atol=1e-6)


@pytest.mark.parametrize("augment", [None, True, "crop,mirror,pca", "resized_crop,mirror,jitter"])
def test_same_bits_from_memory_and_read_ahead(augment):
    options = {"crop": 16, "augment": augment, "mean": MEAN, "deviation": DEVIATION}
    stored = Stored(IMAGES)
    expected = numbers(batches(**options))
    assert expected[0][0].shape == (8, 3, 16, 16)
    assert same(numbers(batches(stored, **options)), expected)
    assert same(numbers(batches(stored, **options), first_batch=4), expected[4:])
    assert same(numbers(batches(stored, **options)), expected)  # not what was drawn before


@pytest.mark.parametrize("augment", [None, "crop,mirror,light,jitter,pca", "resized_crop,mirror"])
@pytest.mark.parametrize("parts", [2, 3])
def test_parts_make_up_the_whole_and_read_their_own(augment, parts):
    options = {"augment": augment, "crop": 16}
    whole = numbers(Batches(IMAGES, LABELS, 5 * parts, shuffle=True, seed=1, **options))
    stored = [Stored(IMAGES) for _ in range(parts)]
    shares = [
        numbers(
            Batches(images, LABELS, 5, shuffle=True, seed=1, part=(part, parts), moments=Moments(IMAGES), **options)
        )
        for part, images in enumerate(stored)
    ]
    for (X, y), *pieces in zip(whole, *shares):
        assert (np.concatenate([images[: len(labels)] for images, labels in pieces]) == X).all()
        assert (np.concatenate([labels for _, labels in pieces]) == y).all()
    read = [len(np.concatenate(images.asked)) for images in stored]
    assert max(read) <= len(IMAGES) // parts + len(whole)


def test_resumed_epoch_reads_what_is_left():
    stored = Stored(IMAGES)
    rest = numbers(batches(stored), first_batch=4)
    assert len(stored.asked) == len(rest) == 2


def test_reading_ends_with_the_batches():
    stored = Stored(IMAGES)
    epoch = batches(stored).epoch(0)
    next(epoch)
    assert stored.closed == 0
    epoch.close()
    assert (stored.closed, len(stored.asked)) == (1, 1)


def test_fewer_labels_count_the_first_images():
    stored = Stored(IMAGES)
    found = numbers(batches(stored, LABELS[:20]))
    assert sum(len(y) for _, y in found) == 20
    assert max(map(max, stored.asked)) < 20


def test_test_images_are_cut_in_the_middle():
    (X, _), *_ = Batches(IMAGES, LABELS, 46, crop=12)
    assert (np.rint(X.asnumpy() * 255) == IMAGES[:, 4:16, 4:16].transpose(0, 3, 1, 2)).all()


@pytest.mark.parametrize("augment", ["flip", "crop,resized_crop", 3])
def test_wrong_augmentation_is_refused(augment):
    with pytest.raises(SettingError, match="augment is"):
        batches(augment=augment)
