"""Files of torch.save, made for the purpose: what claims more than it holds is refused before it takes memory."""

import os
import pickle
import struct
import zipfile

import gluon_cnn

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn
from torch_networks import lenet, torch

from gluon_cnn.errors import InteropError
from gluon_cnn.interop.pickled import unpickle
from gluon_cnn.interop.state_dict import read_state_dict
from gluon_cnn.interop.torch import from_torch, to_torch
from gluon_cnn.interop.torch_file import read_torch_file

safetensors = pytest.importorskip("safetensors.torch")


def encoded(value):
    """A number, a text, or a tuple of them, as a part of a pickle; a part is left as it is."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, tuple):
        return b"(" + b"".join(map(encoded, value)) + b"t"
    if isinstance(value, str):
        return b"X" + struct.pack("<L", len(value)) + value.encode()
    return b"\x8a\x0a" + value.to_bytes(10, "little", signed=True)


def tensor(size, stride, offset=0, count=1):
    """The pickle of a state dict with one tensor, of a storage that claims ``count`` numbers."""
    place = b"(" + encoded("storage") + b"ctorch\nFloatStorage\n" + b"".join(map(encoded, ("0", "cpu", count))) + b"tQ"
    made = b"ctorch._utils\n_rebuild_tensor_v2\n(" + place + b"".join(map(encoded, (offset, size, stride))) + b"\x89}tR"
    return b"\x80\x02}" + encoded("0.weight") + made + b"s."


def write(path, content, numbers=bytes(4), **more):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("net/data.pkl", content)
        file.writestr("net/data/0", numbers)
        for name, data in more.items():
            file.writestr(f"net/{name}", data)


def memo_of_gigabytes():
    return b"\x80\x02}r\xff\xff\xff\x7f."


def nested(count):
    """A tuple in a tuple, and so on."""
    return b"\x80\x02)" + b"\x85" * count + b"."


CLAIMS = {
    "expanded": (tensor((40_000, 40_000), (0, 0)), r"claims the shape \(40000, 40000\), which is more than it holds"),
    "windows": (tensor((2**15, 2**15), (1, 0)), "for which it is too short"),
    "larger than its storage": (tensor((10**4, 10**4), (10**4, 1)), "for which it is too short"),
    "empty": (tensor((0, 2**60), (1, 1)), "which no array here can have"),
    "negative size": (tensor((-1, -4), (1, 1)), "has no shape"),
    "negative stride": (tensor((2, 2), (-1, 1)), "has no shape"),
    "negative offset": (tensor((1,), (1,), -5), "has no shape"),
    "far offset": (tensor((1,), (1,), 2**62), "for which it is too short"),
    "text for a size": (tensor(("1",), (1,)), "has no shape"),
    "fewer strides": (tensor((1, 1), (1,)), "has no shape"),
    "nested size": (tensor((nested(10**5)[2:-1],), (1,)), "has no shape"),
    "many axes": (tensor((1,) * 99, (1,) * 99), "no array here can have"),
    "memo": (memo_of_gigabytes(), "has no convolution left"),
    "long number": (b"\x80\x02L" + b"9" * 10**6 + b"L\n.", "damaged"),
    "long text": (b"\x80\x02\x8d" + struct.pack("<Q", 2**62) + b".", "it ends early"),
    "nested": (nested(10**5), "not a state dict"),
    "nested name": (b"\x80\x02}" + nested(10**5)[2:-1] + b"Ns.", "a name that is no text"),
    "steps": (nested(10**6), "more steps than a state dict needs"),
    "large pickle": (nested(2**21), "holds more than weights"),
    "code": (b"cos\nsystem\n(X\x04\0\0\0truetR.", "it calls 'system', so it holds more than weights"),
    "number for a name": (b"\x80\x02" + encoded((1, 2))[1:-1] + b"\x93.", "a name that is no text"),
    "lines": (b"c" + b"\n" * 5, "a step that no state dict needs, so it is damaged"),
    "no text": (b"\x80\x02U\x01\xff.", "it is damaged, or holds more than weights"),
    "long name": (b"\x80\x02}X" + struct.pack("<L", 10**6) + b"x" * 10**6 + b"Ns.", "a name of 1,000,000 characters"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_claims_are_compared_with_the_file(tmp_path, name):
    content, says = CLAIMS[name]
    write(tmp_path / "net.PT", content)
    with pytest.raises(InteropError, match=says) as caught:
        from_torch(gluon_cnn.lenet(), tmp_path / "net.PT")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_tensors_within_their_storage_are_read(tmp_path):
    write(tmp_path / "net.pt", tensor((2, 2), (1, 2), 1, 5), np.arange(5, dtype="<f4").tobytes())
    assert np.asarray(read_torch_file(tmp_path / "net.pt")["0.weight"]).tolist() == [[1, 3], [2, 4]]
    write(tmp_path / "net.pt", tensor((2,), (1,), 0, 2), np.array([1, 2], ">f4").tobytes(), byteorder=b"big")
    assert np.asarray(read_torch_file(tmp_path / "net.pt")["0.weight"]).tolist() == [1, 2]


def test_old_files_claim_no_more_than_they_hold(tmp_path):
    path = tmp_path / "lenet.pt"
    torch.save(lenet().state_dict(), path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    count = struct.pack("<Q", 150)
    path.write_bytes(content.replace(count, struct.pack("<Q", 2**61), 1))
    with pytest.raises(InteropError, match=r"has .* bytes and claims to hold 9,223,"):
        from_torch(gluon_cnn.lenet(), path)


def test_batch_normalisation_comes_back_from_every_file(tmp_path):
    def network():
        net = nn.Sequential()
        net.add(nn.Conv2D(3, 3), nn.BatchNorm(), nn.Dense(2))
        return net

    net = network()
    net.initialize()
    X = mx.nd.random.uniform(shape=(2, 1, 8, 8))
    expected, state = net(X).asnumpy(), to_torch(net)
    assert "1.num_batches_tracked" in state
    state["1.mask"] = torch.ones(2, 2, dtype=torch.bool)  # a buffer that no layer here has
    torch.save(state, tmp_path / "new.PT")
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    safetensors.save_file(state, tmp_path / "net.SAFETENSORS")
    for source in (state, *tmp_path.iterdir()):
        assert (from_torch(network(), source)(X).asnumpy() == expected).all()


@pytest.mark.parametrize("kind", ["float8_e4m3fn", "float8_e5m2", "complex64"])
@pytest.mark.parametrize("is_new", [True, False])
def test_types_that_numpy_or_mxnet_lack_are_named(tmp_path, kind, is_new):
    state = {"0.weight": torch.ones(2, 2).to(getattr(torch, kind))}
    torch.save(state, tmp_path / "net.pt", _use_new_zipfile_serialization=is_new)
    with pytest.raises(InteropError, match=r"holds numbers in '(float8_e|ComplexFloat).* which is not read"):
        from_torch(gluon_cnn.lenet(), tmp_path / "net.pt")


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_tensor_without_its_minus_is_no_other(tmp_path, suffix):
    negated = torch.imag(torch.tensor([1 + 2j, 3 + 4j]).conj())  # PyTorch notes the minus beside the numbers
    assert negated.is_neg()
    assert read_state_dict({"0.weight": negated}).arrays["0.weight"].tolist() == [-2, -4]
    path = tmp_path / f"net{suffix}"
    torch.save({"0.weight": negated}, path, _use_new_zipfile_serialization=suffix == ".pt")
    with pytest.raises(InteropError, match=r"one of its tensors needs resolve_neg\(\)"):
        read_torch_file(path)


@pytest.mark.parametrize("kind", ["fifo", "directory", "/dev/zero"])
@pytest.mark.parametrize("ending", [".pt", ".safetensors", ".SAFETENSORS"])
def test_only_regular_files_are_read(tmp_path, kind, ending):
    path = tmp_path / f"net{ending}"
    {"fifo": os.mkfifo, "directory": os.mkdir}.get(kind, lambda path: path.symlink_to(kind))(path)
    with pytest.raises(InteropError, match=r"cannot be read as .* \(not a regular file\)"):
        from_torch(gluon_cnn.lenet(), path)


@pytest.mark.parametrize(("shape", "strides"), [((1, 2), (2**70, 1)), ((0, 2), (2**70, 1))])
def test_strides_that_do_not_count_are_anything(tmp_path, shape, strides):
    write(tmp_path / "net.pt", tensor(shape, strides, 0, 2), bytes(8))
    assert np.asarray(read_torch_file(tmp_path / "net.pt")["0.weight"]).shape == shape


@pytest.mark.parametrize("version", [0, 1, 2, 3, 4, 5])
def test_values_come_as_python_reads_them(version):
    value = {"a": [1, -2, 300, 70_000, 1.5, None, True, "x", 2**70, ("y", (), (1, 2, 3, 4)), {"b": {}}], 7: "z"}
    content = pickle.dumps(value, version)
    if version < 1:  # whose files PyTorch itself cannot read again
        with pytest.raises(ValueError, match="a step"):
            unpickle(content, 0, None, None)
    else:
        assert unpickle(b"begin" + content, 5, None, None) == (value, 5 + len(content))


def test_views_that_overlap_claim_more_than_they_hold(tmp_path):
    write(tmp_path / "net.pt", tensor((2**13, 2**13), (1, 1), 0, 2**14), bytes(2**16))
    with pytest.raises(InteropError, match="which is more than it holds"):
        from_torch(gluon_cnn.lenet(), tmp_path / "net.pt")
