"""PyTorch's state dicts, from memory and from files: what is read, and what is refused."""

import pickle
import re
import sys
import zipfile

import gluon_cnn  # before mxnet, which it makes ready

# isort: split
import numpy as np
import pytest
from mxnet.gluon import nn
from torch_networks import lenet, nin, parameters, tnn, torch

from gluon_cnn.errors import InteropError
from gluon_cnn.interop.torch import from_torch, to_torch

safetensors = pytest.importorskip("safetensors.torch")


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_weights_are_read_from_a_file(tmp_path, images, suffix):
    state = nin().state_dict()
    path = tmp_path / f"nin{suffix}"
    if suffix == ".pt":
        torch.save(state, path)
    else:
        safetensors.save_file(state, path)
    back = to_torch(from_torch(gluon_cnn.nin(), path))
    assert list(back) == list(state)
    assert all(torch.equal(tensor, state[name]) for name, tensor in back.items())


def test_names_sorted_as_text_are_put_in_order(tmp_path):
    net = tnn.Module()
    for number in range(1, 13):
        net.add_module(f"vgg_block_{number}", tnn.Sequential(tnn.Conv2d(2, 2, 3)))
    net.add_module("fc", tnn.Linear(8, 2))
    state = net.state_dict()
    safetensors.save_file(state, tmp_path / "net.safetensors")  # vgg_block_10 before vgg_block_2, and fc before both
    ours = nn.Sequential()
    ours.add(*(nn.Conv2D(2, 3) for _ in range(12)), nn.Dense(2))
    from_torch(ours, tmp_path / "net.safetensors")
    for (name, tensor), parameter in zip(state.items(), parameters(ours)):
        np.testing.assert_array_equal(parameter.data().asnumpy(), tensor.numpy(), err_msg=name)


def chain(*names):
    """A PyTorch network of equal convolutions in this order, each filled with its own number, and ours for it."""
    net, ours = tnn.Sequential(), nn.Sequential()
    for number, name in enumerate(names):
        path = net
        for part in name.split(".")[:-1]:
            if not hasattr(path, part):
                path.add_module(part, tnn.Sequential())
            path = getattr(path, part)
        path.add_module(name.split(".")[-1], tnn.Conv2d(2, 2, 3))
        tnn.init.constant_(net.get_submodule(name).weight, number)
        ours.add(nn.Conv2D(2, 3))
    return net, ours


def numbers(net):
    return [int(layer.weight.data().asnumpy().flat[0]) for layer in net]


NUMBERED = [
    [f"block{number}_conv" for number in range(13)],
    [f"net.b{number}x.conv{layer}a" for number in (1, 9, 10, 100) for layer in (1, 2, 11)],
    [f"stage{'0' * 30}{number}.conv" for number in (2, 10)],
]


@pytest.mark.parametrize("names", NUMBERED)
@pytest.mark.parametrize("read", [str, safetensors.load_file])
def test_numbers_anywhere_in_names_order_layers(tmp_path, names, read):
    net, ours = chain(*names)
    safetensors.save_file(net.state_dict(), tmp_path / "net.safetensors")
    assert numbers(from_torch(ours, read(tmp_path / "net.safetensors"))) == list(range(len(names)))


@pytest.mark.parametrize(
    "names",
    [
        ["up", "down"],
        ["conv_one", "conv_two"],
        ["conv1", "conv2", "conv"],
        ["z.0", "z.1", "a.0", "a.1"],
        ["block.up1", "block.down1"],
        ["conv2", "conv02"],
    ],
)
def test_lost_order_is_refused_unless_given(tmp_path, names):
    net, ours = chain(*names)
    path = tmp_path / "net.safetensors"
    safetensors.save_file(net.state_dict(), path)
    for source in (path, safetensors.load_file(path)):
        with pytest.raises(InteropError, match="has its names sorted, so nothing tells the order of") as caught:
            from_torch(ours, source)
        assert sum(name in str(caught.value).replace(str(path), "") for name in names) >= 2
        assert ours[0].weight._data is None
        assert caught.value.settings == ("order",)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    for source, order in ((path, net), (path, names), (net.state_dict(), None), (tmp_path / "net.pt", None)):
        assert numbers(from_torch(ours, source, order=order)) == list(range(len(names)))


def test_layers_of_other_shapes_need_no_order(tmp_path):
    net, ours = tnn.Sequential(), nn.Sequential()
    net.add_module("first", tnn.Conv2d(1, 2, 3))
    net.add_module("last", tnn.Conv2d(2, 3, 3))
    ours.add(nn.Conv2D(2, 3), nn.Conv2D(3, 3))
    safetensors.save_file(net.state_dict(), tmp_path / "net.safetensors")
    from_torch(ours, tmp_path / "net.safetensors")
    np.testing.assert_array_equal(ours[1].weight.data().asnumpy(), net.last.weight.detach().numpy())
    renamed = {name.replace("last", "beyond"): tensor for name, tensor in net.state_dict().items()}
    safetensors.save_file(renamed, tmp_path / "net.safetensors")
    with pytest.raises(InteropError, match=r"its counterpart beyond.weight .*, or give order"):
        from_torch(ours, tmp_path / "net.safetensors")
    from_torch(ours, tmp_path / "net.safetensors", order=["first", "beyond"])


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (["up"], "order lacks 'down'"),
        (["up", "up", "down"], "order has 'up' twice"),
        (["up", "left", "down"], "order has 'left', which the state dict does not have"),
        (["up", ["down"]], r"order has \['down'\], which"),
        ("up", "order is a str"),
        (3, "order is an int"),
    ],
)
def test_wrong_order_is_refused(order, says):
    net, ours = chain("up", "down")
    with pytest.raises(InteropError, match=says):
        from_torch(ours, net.state_dict(), order=order)


def test_whole_numbers_beside_weights_are_left_out(tmp_path):
    net, ours = chain("0")
    state = {"steps": torch.tensor(3), "0.index": torch.arange(4, dtype=torch.int16), **net.state_dict()}
    safetensors.save_file(state, tmp_path / "net.SAFETENSORS")
    for source in (state, tmp_path / "net.SAFETENSORS"):
        assert numbers(from_torch(ours, source)) == [0]
    safetensors.save_file({**state, "0.weight": state["0.weight"].to(torch.int8)}, tmp_path / "net.safetensors")
    with pytest.raises(InteropError, match=r"0.weight in the state dict is an array of int8, not"):
        from_torch(ours, tmp_path / "net.safetensors")


def test_other_precisions_and_numpy_arrays_are_read(images):
    state = lenet().state_dict()
    halves = {name: tensor.to(torch.bfloat16) for name, tensor in state.items()}
    net = from_torch(gluon_cnn.lenet(), halves)
    assert torch.equal(to_torch(net)["0.weight"], halves["0.weight"].float())
    net = from_torch(gluon_cnn.lenet(), {name: tensor.double().numpy() for name, tensor in state.items()})
    assert torch.equal(to_torch(net)["0.weight"], state["0.weight"])


@pytest.mark.parametrize(("given", "kind"), [([1, 2], "a list"), (3, "an int"), ({1: 2}, "a dict"), (None, "a None")])
def test_other_values_are_refused(given, kind):
    with pytest.raises(InteropError, match=rf"state_dict is {kind}\w*, not a state dict"):
        from_torch(gluon_cnn.lenet(), given)


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_pickle_with_code_does_not_run(tmp_path):
    sprung = tmp_path / "sprung"
    for number, save in enumerate((torch.save, lambda value, path: path.write_bytes(pickle.dumps(value)))):
        path = tmp_path / f"trap{number}.pt"
        save({"0.weight": Trap(str(sprung))}, path)
        with pytest.raises(InteropError, match="calls 'open', so it holds more than weights") as caught:
            from_torch(gluon_cnn.lenet(), path)
        assert "weights_only" not in str(caught.value)  # PyTorch's advice to let the code run
        assert not sprung.exists()


def write_truncated(path):
    torch.save(lenet().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-1000])


def test_file_without_checksums_is_read(tmp_path):
    net, ours = chain("0")
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(net.state_dict(), tmp_path / "net.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    assert numbers(from_torch(ours, tmp_path / "net.pt")) == [0]


def write_flipped(path):
    """One bit of a weight differs, as on a damaged disk."""
    state = lenet().state_dict()
    torch.save(state, path)
    content = bytearray(path.read_bytes())
    content[content.index(state["3.weight"].numpy().tobytes()) + 3] ^= 64
    path.write_bytes(content)


def write_encrypted(path):
    torch.save(lenet().state_dict(), path)
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        for match in re.finditer(re.escape(signature), bytes(content)):
            content[match.start() + flags] |= 1
    path.write_bytes(content)


def write_compressed(path):
    torch.save(lenet().state_dict(), path)
    with zipfile.ZipFile(path) as file:
        entries = {name: bytes(len(file.read(name))) for name in file.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name, content)


def write_huge(path):
    text = b'{"0.weight":{"dtype":"F32","shape":[0,1152921504606846976],"data_offsets":[0,0]}}'
    path.write_bytes(len(text).to_bytes(8, "little") + text)


BAD_FILES = {
    "flipped.pt": write_flipped,
    "encrypted.pt": write_encrypted,
    "compressed.pt": write_compressed,
    "missing.pt": lambda path: None,
    "directory.pt": lambda path: path.mkdir(),
    "empty.pt": lambda path: path.write_bytes(b""),
    "page.pt": lambda path: path.write_text("<!DOCTYPE html><html><body>Not found</body></html>"),
    "truncated.pt": write_truncated,
    "list.pt": lambda path: torch.save([torch.zeros(3)], path),
    "pickled_list.pt": lambda path: path.write_bytes(pickle.dumps([1, 2, 3])),
    "checkpoint.pt": lambda path: torch.save({"epoch": 3, "model": lenet().state_dict()}, path),
    "network.pt": lambda path: torch.save(lenet(), path),
    "page.safetensors": lambda path: path.write_text("<!DOCTYPE html><html><body>Not found</body></html>"),
    "huge.safetensors": write_huge,
    "empty.safetensors": lambda path: path.write_bytes(b""),
    "pickle.safetensors": lambda path: torch.save(lenet().state_dict(), path),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_file_without_weights_is_refused_in_a_sentence(tmp_path, name):
    path = tmp_path / name
    BAD_FILES[name](path)
    with pytest.raises(InteropError) as caught:
        from_torch(gluon_cnn.lenet(), path)
    sentence = str(caught.value)
    assert str(path) in sentence or name == "checkpoint.pt"
    assert "\n" not in sentence
    assert len(sentence) < 300 + len(str(path))


def test_files_of_pytorch_are_read_without_it(tmp_path, monkeypatch):
    state = nin().state_dict()
    state["0.0.weight"] = state["0.0.weight"].contiguous(memory_format=torch.channels_last)
    shared = torch.arange(2 * state["0.0.bias"].numel(), dtype=torch.float64)
    state["0.0.bias"] = shared[1::2]
    state["0.2.weight"] = tnn.Parameter(state["0.2.weight"].bfloat16())
    state["0.2.bias"] = state["0.2.bias"][:1].expand(96)
    state["steps"] = torch.tensor(3)
    torch.save(state, tmp_path / "new.PT")
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save(state, tmp_path / "new5.bin", pickle_protocol=5)
    torch.save(state, tmp_path / "new1.bin", pickle_protocol=1)
    torch.save(state, tmp_path / "old1.bin", pickle_protocol=1, _use_new_zipfile_serialization=False)
    for path in sorted(tmp_path.iterdir()):
        with monkeypatch.context() as context:
            context.setitem(sys.modules, "torch", None)
            net = from_torch(gluon_cnn.nin(), path)
        for (name, tensor), parameter in zip(state.items(), parameters(net)):
            expected = tensor.detach().float().numpy()
            np.testing.assert_array_equal(parameter.data().asnumpy(), expected, err_msg=f"{path.name} {name}")


def test_missing_pytorch_is_named_with_its_command(tmp_path, monkeypatch):
    state = lenet().state_dict()
    safetensors.save_file(state, tmp_path / "lenet.safetensors")
    monkeypatch.setitem(sys.modules, "torch", None)
    net = from_torch(gluon_cnn.lenet(), tmp_path / "lenet.safetensors")
    np.testing.assert_array_equal(net[0].weight.data().asnumpy(), state["0.weight"].numpy())
    with pytest.raises(InteropError, match=r'torch cannot be imported .*: pip install .*\[torch\]"'):
        to_torch(net)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(InteropError, match=r"safetensors cannot be imported .*\[safetensors\]"):
        from_torch(net, tmp_path / "lenet.safetensors")
