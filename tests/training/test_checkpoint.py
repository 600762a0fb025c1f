"""Checkpoints: whole or not there, and refused when a byte is not as it was written."""

import json
import shutil

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon

from gluon_cnn import GluonCNNError, lenet
from gluon_cnn.errors import TrainingDiverged
from gluon_cnn.training import checkpoint as module
from gluon_cnn.training.checkpoint import (
    best_checkpoint,
    last_checkpoint,
    load_checkpoint,
    load_last_checkpoint,
    take_snapshot,
    write_checkpoint,
)

HISTORY_COLUMNS = ("epoch", "train_loss", "train_acc", "test_acc", "seconds", "examples_per_sec")


def save_checkpoint(directory, net, trainer, state):
    return write_checkpoint(directory, take_snapshot(net, trainer, state))


def state_after(epoch, step=0, test_accs=()):
    history = [dict(zip(HISTORY_COLUMNS, (i + 1, 1.0, 0.5, acc, 1.0, 1.0))) for i, acc in enumerate(test_accs)]
    return {"epoch": epoch, "step": step, "history": history}


@pytest.fixture
def trained(images):
    """A LeNet and its trainer (with momentum) after one step."""
    net = lenet()
    net.initialize(mx.init.Xavier())
    trainer = gluon.Trainer(list(net.collect_params().values()), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    one_step(net, trainer, images)
    return net, trainer


def one_step(net, trainer, images):
    with autograd.record():
        loss = (net(images) ** 2).sum()
    loss.backward()
    trainer.step(64)


def weights(net):
    return [parameter.data().asnumpy() for parameter in net.collect_params().values()]


def test_loaded_training_goes_on_to_the_same_bits(trained, images, tmp_path):
    net, trainer = trained
    save_checkpoint(tmp_path, net, trainer, state_after(1, test_accs=[0.5]))
    one_step(net, trainer, images)
    again = lenet(hybrid=True)
    again.initialize()
    again_trainer = gluon.Trainer(list(again.collect_params().values()), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    state = load_checkpoint(last_checkpoint(tmp_path), again, again_trainer, [mx.cpu()])
    one_step(again, again_trainer, images)
    assert state["epoch"] == 1
    assert all((a == b).all() for a, b in zip(weights(net), weights(again)))


def test_the_two_newest_and_the_best_stay(trained, tmp_path):
    accuracies = [0.3, 0.7, 0.5, 0.7, 0.6]
    for epoch in range(1, 6):
        save_checkpoint(tmp_path, *trained, state_after(epoch, test_accs=accuracies[:epoch]))
        save_checkpoint(tmp_path, *trained, state_after(epoch, step=3, test_accs=accuracies[:epoch]))
    names = ["epoch-002", "epoch-004", "epoch-005", "epoch-005-step-00003"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert last_checkpoint(tmp_path).name == "epoch-005-step-00003"
    assert best_checkpoint(tmp_path).name == "epoch-002"


def test_order_is_by_number_not_by_name(trained, tmp_path):
    for epoch in (998, 999, 1000, 1001):
        saved = save_checkpoint(tmp_path, *trained, state_after(epoch, test_accs=[0.1] * epoch))
        assert last_checkpoint(tmp_path) == saved
    (tmp_path / "epoch-1001.damaged").mkdir()  # as a person would move one away
    assert last_checkpoint(tmp_path) == saved
    assert best_checkpoint(tmp_path).name == "epoch-998"


def test_a_damaged_one_that_is_not_needed_disturbs_nobody(trained, tmp_path):
    first = save_checkpoint(tmp_path, *trained, state_after(1, test_accs=[0.9]))
    (first / "net.params").write_bytes(b"")
    for epoch in (2, 3, 4):
        save_checkpoint(tmp_path, *trained, state_after(epoch, test_accs=[0.9, 0.8, 0.7, 0.6][:epoch]))
    load_checkpoint(last_checkpoint(tmp_path), *trained, [mx.cpu()])


def test_saving_the_same_step_again_leaves_one(trained, tmp_path):
    for _ in range(2):
        path = save_checkpoint(tmp_path, *trained, state_after(0, step=7))
    assert [path] == list(tmp_path.iterdir())


def test_a_save_that_fails_leaves_what_was_there(trained, tmp_path, monkeypatch):
    first = save_checkpoint(tmp_path, *trained, state_after(1, test_accs=[0.5]))

    def full_disk(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "flush_to_disk", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(tmp_path, *trained, state_after(2, test_accs=[0.5, 0.6]))
    assert list(tmp_path.iterdir()) == [first]
    load_checkpoint(first, *trained, [mx.cpu()])


def test_parameters_that_are_not_finite_are_never_saved(trained, tmp_path):
    net, trainer = trained
    for value in (np.nan, np.inf):
        net[-1].bias.set_data(mx.nd.full(10, value))
        with pytest.raises(TrainingDiverged, match=r"6.bias is no longer finite after epoch 1, step 4"):
            save_checkpoint(tmp_path, net, trainer, state_after(1, step=4))
    assert list(tmp_path.iterdir()) == []


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 4
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("name", ["net.params", "trainer.states", "manifest.json"])
@pytest.mark.parametrize("damage", ["first", "middle", "last", "half", "empty", "missing"])
def test_any_damage_is_noticed(trained, tmp_path, name, damage):
    saved = save_checkpoint(tmp_path, *trained, state_after(1, test_accs=[0.5]))
    path = saved / name
    size = path.stat().st_size
    if damage == "missing":
        path.unlink()
    elif damage in ("half", "empty"):
        path.write_bytes(path.read_bytes()[: size // 2 if damage == "half" else 0])
    else:
        flip(path, {"first": 0, "middle": size // 2, "last": size - 2}[damage])
    before = weights(trained[0])
    with pytest.raises(GluonCNNError, match=f"is damaged, for {name} is not as it was written"):
        load_checkpoint(saved, *trained, [mx.cpu()])
    assert all((a == b).all() for a, b in zip(before, weights(trained[0])))


def test_files_of_another_checkpoint_are_noticed(trained, images, tmp_path):
    one = save_checkpoint(tmp_path / "one", *trained, state_after(1, test_accs=[0.5]))
    one_step(*trained, images)
    two = save_checkpoint(tmp_path / "two", *trained, state_after(1, test_accs=[0.5]))
    shutil.copy(two / "net.params", one / "net.params")
    with pytest.raises(GluonCNNError, match=r"net\.params is not as it was written"):
        load_checkpoint(one, *trained, [mx.cpu()])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: lenet(edition="en"), r"4\.weight should be of shape \(120, 0\)|another network"),
        (lambda: lenet(num_classes=7), r"6\.weight should be of shape \(7, 0\), but is of shape \(10, 84\)"),
    ],
)
def test_parameters_of_another_network_are_refused_by_name(trained, tmp_path, other, message, images):
    saved = save_checkpoint(tmp_path, *trained, state_after(1, test_accs=[0.5]))
    net = other()
    net.initialize()
    net(images)
    with pytest.raises(GluonCNNError, match="is of another network"):
        load_checkpoint(saved, net, None, [mx.cpu()])


def test_layers_too_many_are_named(trained, tmp_path):
    saved = save_checkpoint(tmp_path, *trained, state_after(1, test_accs=[0.5]))
    with pytest.raises(GluonCNNError, match=r"it has 6\.\w+, which this one has not"):
        load_checkpoint(saved, lenet()[:6], None, [mx.cpu()])


def test_file_that_holds_no_parameters(trained, tmp_path):
    saved = save_checkpoint(tmp_path, *trained, state_after(1, test_accs=[0.5]))
    mx.nd.save(str(saved / "net.params"), [mx.nd.ones(3)])
    manifest = json.loads((saved / "manifest.json").read_text())
    manifest.pop("sha256")
    manifest["files"]["net.params"] = {
        "sha256": module.sha256_of(saved / "net.params"),
        "bytes": (saved / "net.params").stat().st_size,
    }
    (saved / "manifest.json").write_text(json.dumps({"sha256": module._hash_of(manifest), **manifest}))
    with pytest.raises(GluonCNNError, match="holds no parameters of a network"):
        load_checkpoint(saved, *trained, [mx.cpu()])


def test_a_snapshot_is_of_its_moment_however_late_it_is_written(trained, images, tmp_path):
    snapshot = take_snapshot(*trained, state_after(1, test_accs=[0.5]))
    before = weights(trained[0])
    one_step(*trained, images)
    write_checkpoint(tmp_path, snapshot)
    load_checkpoint(last_checkpoint(tmp_path), *trained, [mx.cpu()])
    assert all((a == b).all() for a, b in zip(before, weights(trained[0])))


def test_a_damaged_last_checkpoint_is_reported_and_the_one_before_is_used(trained, tmp_path, caplog):
    for epoch in (1, 2, 3):
        save_checkpoint(tmp_path, *trained, state_after(epoch, test_accs=[0.5, 0.6, 0.7][:epoch]))
    flip(tmp_path / "epoch-003" / "net.params", 500)
    found, state = load_last_checkpoint(tmp_path, trained[0], [mx.cpu()])
    assert (found.name, state["epoch"]) == ("epoch-002", 2)
    assert "epoch-003 is damaged, for net.params is not as it was written; it is epoch-003.damaged now" in caplog.text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch-002", "epoch-003.damaged"]


def test_if_no_checkpoint_is_whole_nothing_is_touched(trained, tmp_path):
    for epoch in (1, 2):
        save_checkpoint(tmp_path, *trained, state_after(epoch, test_accs=[0.5, 0.6][:epoch]))
        flip(tmp_path / f"epoch-00{epoch}" / "manifest.json", 40)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(GluonCNNError, match=r"No checkpoint in .* is whole \(epoch-002, epoch-001\): restore one"):
        load_last_checkpoint(tmp_path, trained[0], [mx.cpu()])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_no_checkpoint_at_all_is_a_new_run(trained, tmp_path):
    assert load_last_checkpoint(tmp_path, trained[0], [mx.cpu()]) == (None, None)
