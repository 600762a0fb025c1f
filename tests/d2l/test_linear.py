"""Linear regression: its data, model, loss and optimiser, in both array modes."""

import mxnet as mx
import numpy as np
import pytest

from gluon_cnn import GluonCNNError, evaluate_loss, linreg, load_array, sgd, squared_loss, synthetic_data


@pytest.fixture(params=["nd", "np"])
def array(request):
    """What makes an array in a mode, which is on."""
    if request.param == "np":
        request.getfixturevalue("np_arrays")
        return mx.np.array
    return mx.nd.array


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_synthetic_data_lie_on_a_line(array, shape):
    w = array(np.reshape([2, -3.4], shape).astype("float32"))
    X, y = synthetic_data(w, 4.2, 500)
    assert (X.shape, y.shape) == ((500, 2), (500, 1))
    noise = (y.reshape((-1,)) - linreg(X, w, 4.2).reshape((-1,))).asnumpy()
    assert 0.008 < noise.std() < 0.012
    assert 0.9 < X.asnumpy().std() < 1.1
    assert squared_loss(linreg(X, w, 4.2), y).asnumpy().mean() == pytest.approx((noise**2).mean() / 2, rel=1e-3)


def test_sgd_divides_by_the_batch(array):
    params = [array([1.0, 2.0]), array([3.0])]
    for param in params:
        param.attach_grad()
    with mx.autograd.record():
        loss = (params[0] * 4).sum() + (params[1] * 8).sum()
    loss.backward()
    sgd(params, 0.5, 2)
    assert [param.asnumpy().tolist() for param in params] == [[0, 1], [1]]


def test_load_array_gives_every_row_once(array):
    X, y = array(np.arange(10).reshape((5, 2))), array(np.arange(5))
    batches = list(load_array((X, y), 2, is_train=False))
    assert [len(labels) for _, labels in batches] == [2, 2, 1]
    assert np.concatenate([labels.asnumpy() for _, labels in batches]).tolist() == [0, 1, 2, 3, 4]
    shuffled = load_array((X, y), 2)
    for _ in range(2):
        assert sorted(np.concatenate([labels.asnumpy() for _, labels in shuffled])) == [0, 1, 2, 3, 4]


def test_evaluate_loss_is_the_mean_over_examples(array):
    batches = [(array([[1.0], [2.0]]), array([0.0, 0.0])), (array([[3.0]]), array([1.0]))]
    assert evaluate_loss(lambda X: 2 * X, batches, squared_loss) == pytest.approx((2 + 8 + 12.5) / 3)
    assert evaluate_loss(lambda X: 2 * X, iter(batches), squared_loss) == pytest.approx((2 + 8 + 12.5) / 3)


def test_numbers_and_data_that_there_are_not():
    with pytest.raises(GluonCNNError, match="no examples"):
        evaluate_loss(lambda X: X, iter([]), squared_loss)
    with pytest.raises(GluonCNNError, match="num_examples is 0"):
        synthetic_data(mx.nd.ones(2), 0, 0)
    with pytest.raises(GluonCNNError, match="batch_size is 0"):
        load_array((mx.nd.ones(2),), 0)
