"""Exporting the weights that the published runs began from."""

import pytest
from runs import command

from gluon_cnn import lenet, nin
from gluon_cnn.interop.torch import torch_network
from gluon_cnn.published_weights import published_weights
from gluon_cnn.training.initial_weights import initialize_as_published

pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")


@pytest.mark.parametrize(("net", "model", "edition"), [(lenet(edition="en"), "lenet", "en"), (nin(), "NiN", None)])
def test_file_has_the_layout_of_to_torch(net, model, edition, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command("export", model, "--initial", "published", *(["--edition", edition] if edition else []))
    (path,) = tmp_path.iterdir()
    edition = edition or "zh-v1"
    assert capsys.readouterr().out == f"{model.lower()}-{edition}-published.safetensors\n" == f"{path.name}\n"
    state = safetensors.load_file(path)
    initialize_as_published(net, edition)
    network = torch_network(net)
    network.load_state_dict(state)  # whose names are all those of the network
    arrays = published_weights(model.lower(), edition)
    assert len(state) == len(arrays)
    for name, array in zip(network.state_dict(), arrays.values()):
        assert state[name].numpy().tobytes() == array.tobytes()
