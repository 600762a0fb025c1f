"""Parameter files: every version of MXNet's format and NumPy's is read, and no claim is believed."""

import os
import struct
import zipfile

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn

from gluon_cnn import GluonCNNError, load_matching, load_parameters
from gluon_cnn.models.parameter_file import read_parameters
from gluon_cnn.models.parameters import named_parameters

V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
WEIGHT, BIAS = np.arange(6, dtype="f4").reshape(2, 3), np.ones(2, "f4")


def array(version, values, shape=None, kind=0, storage=0, device=(2, 7)):
    """An array in MXNet's format; by default it was on a GPU."""
    shape = values.shape if shape is None else shape
    begin = {V1: struct.pack("<II", V1, len(shape)), 0: struct.pack("<I", len(shape))}
    begin = begin.get(version, struct.pack("<Iii", version, storage, len(shape)))
    sides = struct.pack(f"<{len(shape)}{'q' if version else 'I'}", *shape)
    return begin + sides + struct.pack("<iii", *device, kind) + values.tobytes()


def listed(arrays, names=("weight", "bias"), count=None, named=None):
    """A file of arrays in MXNet's format."""
    begin = struct.pack("<QQQ", 0x112, 0, len(arrays) if count is None else count)
    end = struct.pack("<Q", len(names) if named is None else named)
    names = [name if isinstance(name, bytes) else name.encode() for name in names]
    return begin + b"".join(arrays) + end + b"".join(struct.pack("<Q", len(name)) + name for name in names)


def dense():
    net = nn.Dense(2)
    net.initialize()
    return net


def numbers(net):
    return {name: parameter.data().asnumpy() for name, parameter in named_parameters(net).items()}


@pytest.mark.parametrize("version", [0, V1, V2, V3])
def test_every_version_is_read(tmp_path, version):
    (tmp_path / "net.PARAMS").write_bytes(listed([array(version, WEIGHT), array(version, BIAS)]))
    net = dense()
    load_parameters(net, tmp_path / "net.PARAMS")
    assert (numbers(net)["weight"] == WEIGHT).all()
    assert (numbers(net)["bias"] == BIAS).all()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_numpy_are_read(tmp_path, save):
    save(tmp_path / "net.npz", weight=np.asfortranarray(WEIGHT.astype(">f8")), bias=BIAS.astype("f2"))
    net = dense()
    load_parameters(net, tmp_path / "net.npz")
    assert (numbers(net)["weight"] == WEIGHT).all()


@pytest.mark.parametrize("kind", ["float16", "float64", "int8", "uint8", "int32", "int64"])
def test_what_mxnet_writes_is_read(tmp_path, kind):
    mx.nd.save(str(tmp_path / "net.params"), {"x": mx.nd.array(WEIGHT, dtype=kind)})
    found = read_parameters(tmp_path / "net.params")["x"]
    assert found.dtype == kind
    assert (np.asarray(found) == WEIGHT).all()


def test_bfloat16_becomes_float32(tmp_path):
    upper = (WEIGHT.view("u4") >> 16).astype("u2")
    (tmp_path / "net.params").write_bytes(listed([array(V2, upper, kind=12), array(V2, BIAS)]))
    found = read_parameters(tmp_path / "net.params")["weight"]
    assert np.asarray(found).dtype == found.dtype == np.float32
    assert (np.asarray(found) == WEIGHT).all()


def test_shared_parameters_are_saved_once_and_read(tmp_path):
    def shared():
        first = nn.Dense(3, in_units=3)
        net = nn.Sequential()
        net.add(first, nn.Dense(3, in_units=3, params=first.params), nn.Dense(2, in_units=3))
        net.initialize()
        return net

    net, other = shared(), shared()
    net.save_parameters(str(tmp_path / "net.params"), deduplicate=True)
    assert len(read_parameters(tmp_path / "net.params")) == 4
    load_parameters(other, tmp_path / "net.params")
    assert all((numbers(other)[name] == values).all() for name, values in numbers(net).items())
    assert not load_matching(shared(), tmp_path / "net.params").missing
    plain = nn.Sequential()
    plain.add(*(nn.Dense(size, in_units=3) for size in (3, 3, 2)))
    with pytest.raises(GluonCNNError, match=r"0\.weight should be of shape \(3, 3\), but is missing"):
        load_parameters(plain, tmp_path / "net.params")


def npz(path, entries, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in entries:
            file.writestr(name, content)


def npy(header, content=b"", length=None):
    return struct.pack("<6sBBH", b"\x93NUMPY", 1, 0, len(header) if length is None else length) + header + content


def header(shape, kind="<f4"):
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()


def encrypted(path):
    npz(path, [("weight.npy", npy(header("(1,)"), bytes(4)))])
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)


def directory_of_a_gigabyte(path):
    npz(path, [("weight.npy", npy(header("(1,)"), bytes(4)))])
    content = path.read_bytes()
    end = content.rindex(b"PK\5\6")
    path.write_bytes(content[:end])
    os.truncate(path, 2**30)
    with open(path, "ab") as file:
        file.write(content[end : end + 12] + struct.pack("<LLH", 2**30 - end, end, 0))


def entry_before_the_file(path):
    npz(path, [("weight.npy", npy(header("(1,)"), bytes(4)))])
    content = bytearray(path.read_bytes())
    end = content.rindex(b"PK\5\6")
    content[end + 16 : end + 20] = struct.pack("<L", 10**6)
    path.write_bytes(content)


EMPTY = np.zeros(0, "f4")
# file, what the message says
CLAIMS = {
    "arrays": (listed([], count=10**7), "claims 10,000,000 arrays"),
    "many": (listed([], count=2**64 - 1), "arrays"),
    "none.params": (listed([], [], 0), ""),
    "name": (listed([array(V2, BIAS)], [], named=1) + struct.pack("<Q", 3 * 10**9), "claims a name of 3,000,000,000"),
    "names": (listed([array(V2, BIAS)], [], named=10**9), "1 arrays and 1,000,000,000 names"),
    "unnamed": (listed([array(V2, BIAS)], []), "1 arrays and 0 names"),
    "binary": (listed([array(V2, BIAS)], [b"\xff\xfe"]), "a name in it is not text"),
    "twice": (listed([array(V2, BIAS)] * 2, ["bias", "bias"]), "has 'bias' twice"),
    "large": (listed([array(V2, EMPTY, (2**30, 2**30))]), "for which it is too short"),
    "empty": (listed([array(V3, EMPTY, (0, 2**60))]), "which no array here can have"),
    "negative": (listed([array(V2, EMPTY, (-1, -4))]), "which no array here can have"),
    "overflow": (listed([array(V2, EMPTY, (2**16, 2**16, 2**16, 2**16))]), "for which it is too short"),
    "old": (listed([array(0, EMPTY, (2**31 - 1,))]), "for which it is too short"),
    "axes": (listed([struct.pack("<Iii", V2, 0, 2**31 - 1)]), "claims 2,147,483,647 axes"),
    "shapeless": (listed([struct.pack("<Iii", V2, 0, 0)]), "without a shape"),
    "sparse": (listed([array(V2, BIAS, storage=1)]), "sparse"),
    "type": (listed([array(V2, BIAS, kind=99)]), "unknown type, 99"),
    "short": (listed([array(V2, BIAS)], ["bias"])[:-3], "it is damaged"),
    "magic": (b"\x13\1" + listed([array(V2, BIAS)])[2:], "not a file of MXNet's arrays"),
    "shape.npz": ([("weight.npy", npy(header("(40000, 40000)")))], "which is not its size"),
    "empty.npz": ([("weight.npy", npy(header(f"(0, {2**60})")))], "which no array here can have"),
    "digits.npz": ([("weight.npy", npy(header(f"({'9' * 5000},)")))], ""),
    "object.npz": ([("weight.npy", npy(header("(1,)", "|O"), b"cos\nsystem\n."))], "not of numbers"),
    "nested.npz": ([("weight.npy", npy(b"(" * 9000))], "not of numbers"),
    "header.npz": ([("weight.npy", npy(b"", length=65535))], "NumPy did not write"),
    "other.npz": ([("readme.txt", b"text")], "'readme.txt', which is not an array"),
    "many.npz": ([(f"{number}.npy", b"") for number in range(20_001)], "20,001 entries"),
    "encrypted.npz": (encrypted, "an encrypted zip"),
    "directory.npz": (directory_of_a_gigabyte, "directory is too large"),
    "before.npz": (entry_before_the_file, "a damaged zip"),
}


def claim(path, content):
    if callable(content):
        content(path)
    elif isinstance(content, list):
        npz(path, content)
    else:
        path.write_bytes(content)


@pytest.mark.parametrize("name", CLAIMS)
def test_claims_are_compared_with_the_file(tmp_path, name):
    content, says = CLAIMS[name]
    claim(tmp_path / name, content)
    net = dense()
    before = {name: parameter.shape for name, parameter in named_parameters(net).items()}
    with pytest.raises(GluonCNNError, match=f"{name} holds .*{says}") as caught:
        load_parameters(net, tmp_path / name)
    assert "\n" not in str(caught.value)
    assert {name: parameter.shape for name, parameter in named_parameters(net).items()} == before


def test_zip_bomb_is_refused(tmp_path):
    path = tmp_path / "bomb.npz"
    npz(path, [("weight.npy", npy(header("(17000000,)"), bytes(68_000_000)))], zipfile.ZIP_DEFLATED)
    with pytest.raises(GluonCNNError, match="claims to hold 68,000,"):
        load_parameters(dense(), path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_without_bounds_is_refused(tmp_path, method):
    npz(tmp_path / "net.npz", [("weight.npy", npy(header("(2, 3)"), WEIGHT.tobytes()))], method)
    with pytest.raises(GluonCNNError, match="compressed in a way that is not read"):
        load_parameters(dense(), tmp_path / "net.npz")


@pytest.mark.parametrize("kind", ["fifo", "directory", "/dev/zero"])
def test_only_regular_files_hold_parameters(tmp_path, kind):
    path = tmp_path / "net.params"
    {"fifo": os.mkfifo, "directory": os.mkdir}.get(kind, lambda path: path.symlink_to(kind))(path)
    with pytest.raises(GluonCNNError, match=r"holds no parameters of a network \(not a regular file\)"):
        load_parameters(dense(), path)


def test_no_number_is_read_of_another_network(tmp_path):
    """A sparse file holds what it claims: 40 GB of zeros, of a shape that the network does not have."""
    path = tmp_path / "net.params"
    size = 10**5 * 10**5
    path.write_bytes(listed([array(V2, EMPTY, (10**5, 10**5))], [])[:-8])
    os.truncate(path, path.stat().st_size + 4 * size)
    with open(path, "ab") as file:
        file.write(struct.pack("<QQ6s", 1, 6, b"weight"))
    with pytest.raises(GluonCNNError, match=r"0\.weight should be of shape"):
        load_parameters(gluon_cnn.lenet(), path)
