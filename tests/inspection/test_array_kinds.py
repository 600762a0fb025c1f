"""All of it on ``mx.np`` arrays, where the networks of the book run too."""

import numpy as np
import pytest

from gluon_cnn import get_model
from gluon_cnn.inspection.answers import answers
from gluon_cnn.inspection.attribution import grad_cam, occlusion
from gluon_cnn.inspection.excitation import excitation
from gluon_cnn.inspection.filters import first_filters
from gluon_cnn.inspection.gradients import gradients
from gluon_cnn.inspection.receptive import receptive_fields
from gluon_cnn.models.parameters import copied_parameters, put_parameters
from gluon_cnn.runtime.array_mode import array_mode
from gluon_cnn.training.initial_weights import initialize_from_seed


def everything(name, side, path, weights=None):
    """What each function gives for a compiled network, with weights that are returned too."""
    net = get_model(name, hybrid=True)
    initialize_from_seed(net, 0, (1, 1, side, side))
    weights = weights or {name: array.asnumpy() for name, array in copied_parameters(net).items()}
    put_parameters(net, weights)
    net.hybridize(static_alloc=True)
    random = np.random.RandomState(0)
    X, y = random.rand(4, 1, side, side).astype("float32"), np.arange(4)
    seen = excitation(net, [(X, y)], [path])
    field = receptive_fields(net, X.shape, [path])[path]
    return weights, [
        seen.answers.logits,
        answers(net, [(X, y)]).logits,
        seen.layers[path].values,
        seen.layers[path].positions,
        gradients(net, X).gradient,
        gradients(net, X, 3, path).gradient,
        grad_cam(net, X, path).signed,
        occlusion(net, X[:1], window=side // 2, stride=side // 2).maps,
        first_filters(net).weights,
        field.rows,
        np.array(field.size),
    ]


@pytest.mark.parametrize(
    ("name", "side", "path"),
    [("lenet", 28, "1"), ("googlenet", 33, "2.0"), ("resnet18", 33, "5"), ("densenet", 33, "4")],
)
def test_numpy_arrays_give_the_same(name, side, path):
    weights, expected = everything(name, side, path)
    with array_mode(True):
        _, found = everything(name, side, path, weights)
    for one, other in zip(found, expected):
        assert isinstance(one, np.ndarray)
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())
