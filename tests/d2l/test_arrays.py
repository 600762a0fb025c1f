"""Arrays under the names that the book has for every framework."""

import mxnet as mx
import pytest

import gluon_cnn
from gluon_cnn import d2l
from gluon_cnn.d2l import arrays


@pytest.mark.usefixtures("np_arrays")
def test_names_are_those_of_the_modes_arrays():
    x = d2l.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert d2l.transpose(x).asnumpy().tolist() == [[1, 3], [2, 4]]
    assert (d2l.size(x), float(d2l.reduce_sum(x)), d2l.reduce_sum(x, axis=0).tolist()) == (4, 10, [4, 6])
    assert d2l.reduce_sum(x, 1, keepdims=True).shape == (2, 1)
    assert d2l.argmax(x, axis=1).tolist() == [1, 1]
    assert d2l.astype(x, d2l.int32).dtype == "int32"
    assert d2l.reshape(x, (-1, 1)).shape == d2l.reshape(x, -1, 1).shape == (4, 1)
    assert d2l.numpy(d2l.matmul(x, d2l.eye(2))).tolist() == d2l.to(x, mx.cpu()).tolist()
    assert d2l.concat([d2l.ones((1, 2)), d2l.zeros((1, 2))]).sum() == d2l.stack([d2l.ones(2), d2l.zeros(2)]).sum() == 2
    assert d2l.normal(0, 1, (2, 3)).shape == d2l.rand(2, 3).shape == d2l.meshgrid(d2l.arange(3), d2l.arange(2))[0].shape
    assert d2l.randn(2, 3).shape == d2l.swapaxes(d2l.ones_like(d2l.zeros((3, 2))), 0, 1).shape
    assert (float(d2l.reduce_mean(x)), d2l.reduce_mean(x, 0).tolist()) == (2.5, [2, 3])
    assert d2l.repeat(x, 2, axis=0).tolist() == [[1, 2], [1, 2], [3, 4], [3, 4]]
    assert d2l.batch_matmul(d2l.expand_dims(x, 0), d2l.expand_dims(d2l.eye(2), 0))[0].tolist() == x.tolist()
    assert d2l.sigmoid(d2l.zeros_like(x)).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert d2l.astype(x, d2l.int64).dtype == "int64"
    assert (d2l.cpu(), d2l.gpu(1), d2l.num_gpus()) == (mx.cpu(), mx.gpu(1), mx.context.num_gpus())
    waves = [f(d2l.linspace(0, 1, 3)) for f in (d2l.sin, d2l.sinh, d2l.cos, d2l.cosh, d2l.tanh, d2l.exp)]
    assert all(d2l.abs(d2l.log(wave + 1)).dtype == d2l.float32 for wave in waves)


def test_names_are_kept_out_of_a_star_import():
    assert sorted(gluon_cnn.ARRAY_NAMES) == sorted(arrays.__all__)
    assert not set(gluon_cnn.ARRAY_NAMES) & set(gluon_cnn.__all__)
    assert all(getattr(d2l, name) is getattr(gluon_cnn, name) for name in gluon_cnn.ARRAY_NAMES)
