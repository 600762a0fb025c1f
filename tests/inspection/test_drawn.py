"""Figures show what is in their arrays, and say it in a sentence."""

import re

import mxnet as mx
import numpy as np
import pytest
from looked_at import CLASSES, inputs, known_answers, part, small_network
from mxnet.gluon import nn

from gluon_cnn import get_model
from gluon_cnn.inspection.answers import Answers
from gluon_cnn.inspection.excitation import Excitation, excitation
from gluon_cnn.inspection.figures import attribution, errors, filters, maps, pictures
from gluon_cnn.inspection.figures import excitation as excited
from gluon_cnn.inspection.figures.style import png_of, svg_of
from gluon_cnn.inspection.look import Images
from gluon_cnn.inspection.receptive import receptive_fields
from gluon_cnn.training.initial_weights import initialize_from_seed


def texts_of(drawn):
    """The words in a figure, as a page has them, on one line."""
    return svg_of(drawn, "figure")


def test_confusion_matrix_names_the_planted_mistake():
    drawn = errors.confusion_matrix(known_answers(), CLASSES)
    assert drawn.arrays.counts.tolist() == [[19, 0, 1, 0], [7, 13, 0, 0], [0, 0, 20, 0], [0, 0, 0, 20]]
    assert "dog is taken for cat, 7 times in 20" in drawn.title
    assert "Of 80 images 90.0%" in drawn.words
    assert "8 wrong" in drawn.words
    svg = texts_of(drawn)
    assert all(f">{number}<" in svg for number in (95, 35, 65, 5, 100))
    assert svg.count("cow &amp; calf") == 2


def test_shares_have_exact_intervals():
    drawn = errors.shares_by_class(known_answers(), CLASSES)
    assert drawn.arrays.recall.value.tolist() == [0.95, 0.65, 1, 1]
    assert drawn.arrays.recall.low[1] == pytest.approx(0.4078, abs=1e-4)
    assert "65.0% of class dog, the least" in drawn.title
    assert "No class is found less often than all are by more than chance" in drawn.words


def test_mistakes_and_doubts_are_the_planted_ones():
    found, pixels = known_answers(), Images(inputs(), part(80).images, part(80).labels)
    drawn = pictures.mistakes(found, pixels.pictures, CLASSES)
    assert drawn.arrays.numbers[:2].tolist() == [5, 26]
    assert drawn.arrays.pictures.shape == (8, 1, 12, 12)
    assert ">taken for cow" in texts_of(drawn)
    assert "dog for cat (7)" in drawn.words
    drawn = pictures.doubtful(found, pixels.pictures, CLASSES)
    assert drawn.arrays.numbers[0] == 60
    assert drawn.arrays.labels[0] == 3
    right = Answers(found.logits, found.predicted)
    assert pictures.mistakes(right, pixels.pictures, CLASSES) is None
    assert pictures.doubtful(Answers(found.logits, (found.predicted + 1) % 4), pixels.pictures, CLASSES) is None


def test_trust_says_how_sure_is_how_right():
    found = known_answers()
    drawn = errors.trust(found)
    assert f"{100 * drawn.arrays.reliability.error:.1f} points" in drawn.words
    assert "The network is less sure than it is right" in drawn.title
    sure = errors.trust(Answers(found.logits * 50, found.labels))
    assert "surer than it is right: 100.0% sure on average, 90.0% right" in sure.title


@pytest.mark.parametrize("classes", [1, 2, 13, 60])
def test_any_number_of_classes(classes):
    random = np.random.RandomState(0)
    found = Answers(random.randn(200, classes), random.randint(0, classes, 200))
    found.logits[:, -1] -= 99  # and of one that is never answered
    names = [f"class of number {n}" for n in range(classes)]
    for draw in (errors.confusion_matrix, errors.shares_by_class):
        drawn = draw(found, names)
        assert drawn.title
        assert drawn.words
        assert svg_of(drawn, "one").startswith("<svg ")


def test_filters_are_drawn_strongest_first_on_one_scale():
    net = small_network(colours=3)
    for channels in (1, 3):
        drawn = filters.drawn_filters(net, channels)
        assert (np.diff(drawn.arrays.norms) <= 0).all()
        assert drawn.arrays.weights.shape == (4, 3, 5, 5)
        assert ("in_color", "Grey is a weight of 0" in drawn.words) == ("in_color", channels == 3)
        assert ("sum over its 3 channels" in drawn.words) == (channels == 1)


def test_dead_channels_are_listed():
    net, test = small_network(), part()
    found = excitation(net, Images(inputs(), *test).batches(), ["0"]).layers
    drawn = filters.norms(net, found)
    assert drawn.title == "1 channel of 4 is dead"
    assert "in layer 0 (1 of 4)" in drawn.words
    assert drawn.arrays.dead["0"].tolist() == [2]
    assert set(drawn.arrays.norms) == {"0", "2"}


def test_patches_are_what_the_channel_sees():
    net, test = small_network(), part()
    images = Images(inputs(), *test)
    found = excitation(net, images.batches(), ["0", "2"]).layers
    field = receptive_fields(net, (1, 12, 12), ["0"])["0"]
    drawn = excited.strongest_images("0", found["0"], images.pictures, field, [3, 0], CLASSES)
    assert drawn.arrays.channels.tolist() == [3, 0]
    assert drawn.arrays.pictures.shape == (2, 9, 1, 12, 12)
    kernels = net[0].weight.data().asnumpy()[[3, 0], 0]
    bias = net[0].bias.data().asnumpy()[[3, 0]]
    for row, place in np.ndindex(2, 9):
        top, left, bottom, right = drawn.arrays.patches[row, place]
        patch = drawn.arrays.pictures[row, place, 0, top:bottom, left:right]
        assert (patch * kernels[row]).sum() + bias[row] == pytest.approx(drawn.arrays.values[row, place], rel=1e-4)
    assert "sees 5×5 of 12×12 pixels" in drawn.words
    whole = excited.strongest_images("2", found["2"], images.pictures, classes=CLASSES)
    assert whole.arrays.patches is None
    assert excited.strongest_channels(found["0"]).tolist() != [2]
    assert 2 not in excited.strongest_channels(found["0"], 9)


def test_channels_that_show_the_same_are_shown_once():
    images = np.array([range(9), range(9), range(20, 29), [*range(6, 9), *range(40, 46)]])
    values = np.array([[4.0], [3], [2], [1]]) * np.ones((4, 9))
    nothing = np.zeros((4, 9, 2), int)
    found = Excitation(values, images, images % 2, nothing, np.array([], int), np.array([40, 40]))
    assert excited.strongest_channels(found).tolist() == [0, 2, 3]
    assert excited.strongest_channels(found, 4).tolist() == [0, 2, 3, 1]


def test_selectivity_by_layer_says_whether_it_falls():
    def layer(labels):
        labels = np.array(labels)
        nothing = np.zeros((*labels.shape, 2))
        return Excitation(1 + nothing[..., 0], labels, labels, nothing, np.array([], int), np.array([40, 40]))

    mixed, pure = layer([[0, 1] * 20] * 3), layer([[0] * 40, [1] * 40, [0] * 40])
    falling = excited.what_channels_answer_to({"0": mixed, "1": pure})
    assert falling.title == "The higher the layer, the fewer classes: 2.0 in layer 0, 1.0 in layer 1"
    assert falling.arrays.chance == pytest.approx(2, abs=0.05)
    rising = excited.what_channels_answer_to({"0": pure, "1": mixed})
    assert rising.title.startswith("Higher layers are not more selective")


def test_feature_maps_are_sorted_and_class_maps_found(images):
    net = get_model("nin", hybrid=True)
    initialize_from_seed(net, 0, (1, 1, 96, 96))
    X = mx.nd.random.uniform(shape=(1, 1, 96, 96))
    picture = X.asnumpy()[0]
    drawn = maps.feature_maps(net, X, picture, ["0.2", "2.2"])
    for path, values in drawn.arrays.maps.items():
        assert (np.diff(values.max(axis=(1, 2))) <= 0).all(), path
    assert sorted(drawn.arrays.channels["0.2"]) == list(range(96))
    drawn = maps.class_maps(net, X, picture, CLASSES)
    assert drawn is None  # of one position: its last map is the logit itself
    X = mx.nd.random.uniform(shape=(1, 1, 131, 131))
    drawn = maps.class_maps(net, X, X.asnumpy()[0], CLASSES)
    np.testing.assert_allclose(drawn.arrays.maps.mean(axis=(1, 2)), net(X).asnumpy()[0], rtol=1e-4, atol=1e-6)
    assert drawn.arrays.path == "7.2"
    lenet = get_model("lenet")
    initialize_from_seed(lenet, 0, (1, 1, 28, 28))
    assert maps.class_maps(lenet, images[:1], images[0].asnumpy()) is None
    assert maps.feature_maps(lenet, images[:1], images[0].asnumpy(), ["4", "5"]) is None


def corner_network():
    """A network that knows class 1 by the pixel in the lower right corner alone."""
    net = nn.HybridSequential()
    net.add(nn.Conv2D(1, 3, activation="relu"), nn.GlobalMaxPool2D(), nn.Dense(2))
    net.initialize(mx.init.Zero())
    net(mx.nd.zeros((1, 1, 12, 12)))
    kernel = np.zeros((1, 1, 3, 3))
    kernel[..., 2, 2], kernel[..., 0, 0] = 1, -1
    net[0].weight.set_data(mx.nd.array(kernel))
    net[2].weight.set_data(mx.nd.array([[0], [5]]))
    net[2].bias.set_data(mx.nd.array([1, 0]))
    return net


def test_reasons_point_to_the_corner():
    net = corner_network()
    X = np.zeros((1, 1, 12, 12), "float32")
    X[0, 0, 11, 11] = 1
    drawn = attribution.reasons(net, X, X[0], ("none", "corner"))
    assert drawn.arrays.classes.tolist() == [1, 0]
    assert drawn.title == "The answer corner (98.2%) hangs most on the lower right"
    assert "Grad-CAM, from layer 0, points to the same place" in drawn.words
    hidden = drawn.arrays.occlusion[0]
    assert np.unravel_index(hidden.argmax(), hidden.shape) == (11, 11)
    assert hidden[11, 11] == pytest.approx(5)
    assert hidden[:9, :9].max() == 0
    # And of a class that is named.
    assert attribution.reasons(net, X, X[0], others=[1, 0]).arrays.classes.tolist() == [1, 0]
    assert attribution.reasons(net, X, X[0], others=[]).arrays.classes.tolist() == [1]


def test_reasons_without_convolution_leave_grad_cam_out():
    net = nn.HybridSequential()
    net.add(nn.Dense(3))
    net.initialize()
    X = np.ones((1, 1, 12, 12), "float32")
    drawn = attribution.reasons(net, X, X[0])
    assert drawn.arrays.grad_cam is None
    assert "Without Grad-CAM" in drawn.words


def test_png_has_the_title_and_figure_stays():
    from io import BytesIO

    from PIL import Image

    drawn = errors.trust(known_answers())
    before = texts_of(drawn)
    with Image.open(BytesIO(png_of(drawn))) as image:
        assert image.width == 552
        assert image.height > 120 * drawn.figure.get_size_inches()[1]
    after = texts_of(drawn)
    assert re.findall('viewBox="[^"]*"', after) == re.findall('viewBox="[^"]*"', before)
    assert drawn.title not in after.partition(">")[2]


@pytest.mark.parametrize("words", [["No", "channel", "is", "dead:"] * 9, ["WOW"] * 40, ["W" * 150], ["i" * 150]])
def test_title_fits_the_figure(words):
    from io import BytesIO

    from PIL import Image

    drawn = errors.trust(known_answers())._replace(title=" ".join(words))
    with Image.open(BytesIO(png_of(drawn))) as image:
        pixels = np.asarray(image.convert("L"))
    assert pixels[:20].min() < 50
    assert pixels[:, -4:].min() == 255


def test_line_above_pictures_names_whole_classes():
    labels = np.array([[0, 1, 2, 3, 4, 5, 6, 7, 8]])
    drawn = excited.Strongest(np.array([120]), None, None, None, labels)
    names = ["trouser", "ankle boot", "pullover", "t-shirt", "dress", "coat", "shirt", "bag", "sandal"]
    heading = excited._heading(drawn, 0, names, 7.8)
    assert heading == "channel 120, of 7.8 classes: trouser, ankle boot and 7 more"
    assert len(excited._heading(drawn, 0, ["a" * 99] * 9, 7.8)) <= excited._LONGEST


@pytest.mark.parametrize("name", ["$a_1", "{0}", "猫", "\\alpha", "a" * 300, "&<>\"'"])
def test_class_of_any_name_is_drawn(name):
    found = known_answers()
    classes = (name, "dog", "cow", "emu")
    images = Images(inputs(), *part(80))
    for drawn in (errors.confusion_matrix(found, classes), pictures.mistakes(found, images.pictures, classes)):
        assert png_of(drawn).startswith(b"\x89PNG")
        assert svg_of(drawn, "one").startswith("<svg ")


def test_figure_is_shown_in_a_notebook(monkeypatch):
    pytest.importorskip("IPython.display")
    from gluon_cnn.inspection.figures import style

    shown = []
    monkeypatch.setattr(style, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda *items: shown.extend(items))
    drawn = errors.trust(known_answers())
    assert shown[0].data.startswith(b"\x89PNG")
    assert shown[1].data == drawn.words
    errors.trust.__wrapped__(known_answers())
    assert len(shown) == 2
    assert drawn._ipython_display_() is None
