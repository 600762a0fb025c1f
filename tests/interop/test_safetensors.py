"""safetensors: the same numbers under structural names. A file of another network is refused and changes nothing."""

import json
import re
import sys

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn

from gluon_cnn.errors import InteropError, ModelError
from gluon_cnn.interop.export import export_run
from gluon_cnn.interop.safetensors import load_safetensors, save_safetensors
from gluon_cnn.interop.torch import from_torch
from gluon_cnn.runtime import install_hint
from gluon_cnn.training.run import load_run

safetensors = pytest.importorskip("safetensors")


@pytest.fixture
def net():
    net = gluon_cnn.resnet18(10)
    net.initialize(mx.init.Xavier())
    net(mx.nd.zeros((1, 1, 28, 28)))
    return net


def numbers(net):
    mx.nd.waitall()
    return {name: parameter.list_data()[0].asnumpy() for name, parameter in net._collect_params_with_prefix().items()}


def assert_equal(net, other):
    expected, found = numbers(net), numbers(other)
    assert list(found) == list(expected)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_run_comes_back_with_its_metadata(lenet_run, tmp_path):
    path = tmp_path / "lenet.safetensors"
    run = load_run(lenet_run)
    assert export_run(run, "safetensors", path) == ([path], None)
    net = gluon_cnn.lenet()
    load_safetensors(net, path)
    assert_equal(run.network(mx.cpu()), net)
    with safetensors.safe_open(str(path), "numpy") as file:
        assert sorted(file.keys()) == sorted(net._collect_params_with_prefix())
        assert json.loads(file.metadata()["recipe"])["model"] == "lenet"
        assert file.metadata()["epoch"] == "2"


def test_loads_into_a_network_in_any_state(net, tmp_path, images):
    path = tmp_path / "net.safetensors"
    save_safetensors(net, path, {"note": "text"})
    fresh, deferred, used = (gluon_cnn.resnet18(10, hybrid=True) for _ in range(3))
    deferred.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    used.initialize()
    used.hybridize()
    used(images[:4])
    for other in (fresh, deferred, used):
        load_safetensors(other, path)
        assert_equal(net, other)
        assert np.array_equal(other(images[:4]).asnumpy(), net(images[:4]).asnumpy())
    assert deferred[0].weight.list_ctx() == [mx.cpu(0), mx.cpu(1)]
    load_safetensors(deferred, path, ctx=mx.cpu(1))
    assert deferred[0].weight.list_ctx() == [mx.cpu(1)]


def test_both_kinds_of_arrays_share_files(net, tmp_path, np_arrays):
    save_safetensors(net, tmp_path / "net.safetensors")
    other = gluon_cnn.resnet18(10)
    load_safetensors(other, tmp_path / "net.safetensors")
    assert_equal(net, other)
    assert isinstance(other[0].weight.data(), mx.np.ndarray)


def test_file_of_another_network_changes_nothing(tmp_path):
    path = tmp_path / "net.safetensors"
    net, other = gluon_cnn.lenet(), gluon_cnn.lenet(num_classes=7)
    for each in (net, other):
        each.initialize()
        each(mx.nd.zeros((1, 1, 28, 28)))
    before = numbers(net)
    save_safetensors(other, path)
    with pytest.raises(ModelError, match=r"6.weight should be of shape \(10, 84\), but is of shape \(7, 84\)"):
        load_safetensors(net, path)
    for changed, message in (
        ({"0.weight": before["0.weight"]}, "0.bias should be of shape .* but is missing"),
        ({**before, "9.weight": before["0.weight"]}, "it has 9.weight, which this one does not have"),
    ):
        safetensors.numpy.save_file(changed, str(path))
        with pytest.raises(ModelError, match=message):
            load_safetensors(net, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InteropError, match="cannot be read as a safetensors file"):
        load_safetensors(net, path)
    with pytest.raises(InteropError, match="cannot be read as a safetensors file"):
        load_safetensors(net, tmp_path / "none")
    assert all(np.array_equal(values, before[name]) for name, values in numbers(net).items())


TYPES = {"F8_E4M3": (1, b"\x38"), "F8_E5M2": (1, b"\x3c"), "C64": (8, bytes(8)), "BF16": (2, b"\x49\xc0")}


def write_as(path, kind):
    """A file of one weight and one bias; the numbers are 1, 0 or -3.140625."""
    size, number = TYPES[kind]
    entries = {"weight": ([2, 3], 0, 6), "bias": ([2], 6, 8)}
    header = {
        name: {"dtype": kind, "shape": shape, "data_offsets": [begin * size, end * size]}
        for name, (shape, begin, end) in entries.items()
    }
    text = json.dumps({"__metadata__": {"note": "text"}, **header}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + number * 8)


def test_bfloat16_is_read(tmp_path):
    write_as(tmp_path / "net.safetensors", "BF16")
    net = mx.gluon.nn.Dense(2)
    load_safetensors(net, tmp_path / "net.safetensors")
    assert all((values == -3.140625).all() and values.dtype == np.float32 for values in numbers(net).values())


@pytest.mark.parametrize("kind", ["F8_E4M3", "F8_E5M2", "C64"])
def test_numbers_that_numpy_lacks_are_refused(tmp_path, kind):
    write_as(tmp_path / "net.safetensors", kind)
    with pytest.raises(InteropError, match=rf"net.safetensors .*{kind}") as caught:
        load_safetensors(mx.gluon.nn.Dense(2), tmp_path / "net.safetensors")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "int64", "uint8", "uint32", "bool"])
def test_whole_numbers_go_only_where_they_belong(tmp_path, kind):
    path = tmp_path / "net.safetensors"
    safetensors.numpy.save_file({"index": np.array([0, 1, 1], kind)}, str(path))
    net, weights = mx.gluon.nn.Block(), mx.gluon.nn.Block()
    net.index = mx.gluon.Parameter("index", shape=(3,), dtype="int32", grad_req="null")
    weights.index = mx.gluon.Parameter("index", shape=(3,))
    load_safetensors(net, path)
    assert numbers(net)["index"].tolist() == [0, 1, 1]
    with pytest.raises(InteropError, match=f"has index in {kind}, which is not a kind of number"):
        load_safetensors(weights, path)


def test_directory_is_no_safetensors_file(tmp_path):
    with pytest.raises(InteropError, match="not a regular file"):
        load_safetensors(mx.gluon.nn.Dense(2), tmp_path)


def with_header(header, size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text


EMPTY = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
CLAIMS = {
    "header": (with_header(b"{}", 2**62), "its header claims 4,611,686,018,427,387,904 bytes"),
    "long header": (with_header({"__metadata__": {"note": "x" * 2**22}}), "its header claims 4,"),
    "arrays": (with_header({str(number): EMPTY for number in range(20_001)}), "holds 20,001 arrays"),
    "empty": (with_header({"weight": {**EMPTY, "shape": [0, 2**60]}}), "which no array here can have"),
    "large": (with_header({"weight": {**EMPTY, "shape": [2**20, 2**20]}}), "cannot be read"),
    "overflow": (with_header({"weight": {**EMPTY, "shape": [2**32, 2**32]}}), "cannot be read"),
    "offsets": (with_header({"weight": {**EMPTY, "shape": [1], "data_offsets": [2**60, 2**60 + 4]}}), "cannot be read"),
    "nested": (with_header(b'{"a":' + b"[" * 10**6), "cannot be read"),
    "number": (with_header(b'{"a":' + b"9" * 10**6), "cannot be read"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_claims_are_compared_with_the_file(tmp_path, name):
    content, says = CLAIMS[name]
    (tmp_path / "net.SAFETENSORS").write_bytes(content)
    with pytest.raises(InteropError, match=says) as caught:
        load_safetensors(mx.gluon.nn.Dense(2), tmp_path / "net.SAFETENSORS")
    assert "\n" not in str(caught.value)


def test_missing_package_is_named_with_its_command(net, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(InteropError, match=re.escape(install_hint("safetensors"))):
        save_safetensors(net, tmp_path / "net.safetensors")


@pytest.mark.parametrize(
    "names", [["down", "up"], ["decoder.0", "encoder.0"], ["head", "stages.0", "stages.1", "stem"]]
)
def test_sorted_dict_of_layers_without_bias_is_refused(names):
    net = nn.HybridSequential()
    for _ in names:
        net.add(nn.Dense(4, in_units=4, use_bias=False))
    net.initialize()
    arrays = {f"{name}.weight": np.full((4, 4), number, np.float32) for number, name in enumerate(names)}
    with pytest.raises(InteropError, match="order"):
        from_torch(net, arrays)
    from_torch(net, arrays, order=names[::-1])
    assert net[0].weight.data().asnumpy()[0, 0] == len(names) - 1
