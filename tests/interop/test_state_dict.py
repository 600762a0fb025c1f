"""PyTorch's state dicts, from memory and from files: what is read, and what is refused."""

import pickle
import sys

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
        with pytest.raises(InteropError, match="is damaged, or holds more than weights") as caught:
            from_torch(gluon_cnn.lenet(), path)
        assert "weights_only" not in str(caught.value)  # PyTorch's advice to let the code run
        assert not sprung.exists()


def write_truncated(path):
    torch.save(lenet().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-1000])


BAD_FILES = {
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
    print(sentence)
    assert str(path) in sentence or name == "checkpoint.pt"
    assert "\n" not in sentence
    assert len(sentence) < 300 + len(str(path))


def test_old_pytorch_reads_no_pickles(tmp_path, monkeypatch):
    torch.save(lenet().state_dict(), tmp_path / "lenet.pt")
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(InteropError, match=r"could run code in PyTorch 2\.5\.1"):
        from_torch(gluon_cnn.lenet(), tmp_path / "lenet.pt")


def test_missing_pytorch_is_named_with_its_command(tmp_path, monkeypatch):
    state = lenet().state_dict()
    safetensors.save_file(state, tmp_path / "lenet.safetensors")
    (tmp_path / "lenet.pt").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "torch", None)
    net = from_torch(gluon_cnn.lenet(), tmp_path / "lenet.safetensors")
    np.testing.assert_array_equal(net[0].weight.data().asnumpy(), state["0.weight"].numpy())
    for call in (lambda: to_torch(net), lambda: from_torch(net, tmp_path / "lenet.pt")):
        with pytest.raises(InteropError, match=r"torch cannot be imported .*: pip install 'gluon-cnn\[torch\]'"):
            call()
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(InteropError, match=r"safetensors.numpy cannot be imported .*gluon-cnn\[safetensors\]"):
        from_torch(net, tmp_path / "lenet.safetensors")
