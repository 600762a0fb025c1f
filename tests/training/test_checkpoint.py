"""Checkpoints: whole or not there, refused when a byte is not as it was written, and which of them are kept."""

import json
import os
import shutil

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon

from gluon_cnn import GluonCNNError, lenet
from gluon_cnn.errors import CheckpointError, TrainingDiverged
from gluon_cnn.training import manifest as module
from gluon_cnn.training.checkpoint import load_network, load_states, write_checkpoint
from gluon_cnn.training.checkpoints import best_checkpoint, last_checkpoint, load_last_checkpoint, read_states, tidy
from gluon_cnn.training.history import EpochResult
from gluon_cnn.training.manifest import OtherVersion, State, read_state
from gluon_cnn.training.saver import Saver
from gluon_cnn.training.snapshot import take_snapshot

CPU = [mx.cpu()]


def state_after(epoch, step=0, test_accs=(), **values):
    history = [EpochResult(i + 1, 1.0, 0.5, acc, 1.0, 1.0) for i, acc in enumerate(test_accs)]
    return State({"model": "lenet"}, epoch, step, history=history, **values)


def save(directory, training, state):
    return write_checkpoint(directory, take_snapshot(*training, state))


@pytest.fixture
def trained(images):
    """A LeNet and its trainer (with momentum) after one step."""
    training = make_training()
    one_step(*training, images)
    return training


def make_training():
    net = lenet()
    net.initialize(mx.init.Xavier())
    parameters = list(net.collect_params().values())
    return net, gluon.Trainer(parameters, "sgd", {"learning_rate": 0.1, "momentum": 0.9})


def one_step(net, trainer, images):
    with autograd.record():
        loss = (net(images) ** 2).sum()
    loss.backward()
    trainer.step(64)


def weights(net):
    return [parameter.data().asnumpy() for parameter in net.collect_params().values()]


def are_equal(arrays, others):
    return all((a == b).all() for a, b in zip(arrays, others))


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


def test_loaded_training_continues_to_the_same_bits(trained, images, tmp_path):
    save(tmp_path, trained, state_after(1, test_accs=[0.5]))
    one_step(*trained, images)
    net, trainer = make_training()
    state = load_last_checkpoint(tmp_path, net, CPU)
    load_states(trainer, read_states(tmp_path))
    one_step(net, trainer, images)
    assert state.epoch == 1
    assert are_equal(weights(trained[0]), weights(net))


def test_state_is_read_as_it_was_written(trained, tmp_path):
    sums = [{"loss": 1.5, "correct": 3, "images": 8}]
    state = state_after(2, 7, [0.25, 0.5], sums=sums, seconds=1.5, train_seconds=1.25, dead_classes=[3])
    assert read_state(save(tmp_path, trained, state)) == state


def test_snapshot_is_of_its_moment_however_late_written(trained, images, tmp_path):
    snapshot = take_snapshot(*trained, state_after(1, test_accs=[0.5]))
    before = weights(trained[0])
    one_step(*trained, images)
    load_network(write_checkpoint(tmp_path, snapshot), trained[0], CPU)
    assert are_equal(before, weights(trained[0]))


def test_saving_the_same_step_again_leaves_one(trained, tmp_path):
    for _ in range(2):
        path = save(tmp_path, trained, state_after(0, step=7))
    assert [path] == list(tmp_path.iterdir())


def test_save_that_fails_leaves_what_was_there(trained, tmp_path, monkeypatch):
    first = save(tmp_path, trained, state_after(1, test_accs=[0.5]))

    def full_disk(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gluon_cnn.training.checkpoint.flush_to_disk", full_disk)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path, trained, state_after(2, test_accs=[0.5, 0.6]))
    assert list(tmp_path.iterdir()) == [first]
    load_network(first, trained[0], CPU)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_parameters_that_are_not_finite_are_never_saved(trained, tmp_path, value):
    trained[0][-1].bias.set_data(mx.nd.full(10, value))
    with pytest.raises(TrainingDiverged, match=r"6.bias is no longer finite after epoch 1, step 4: try a smaller") as e:
        save(tmp_path, trained, state_after(1, step=4))
    assert e.value.problem == "The parameter 6.bias is no longer finite after epoch 1, step 4"
    assert e.value.settings == ("lr",)
    assert list(tmp_path.iterdir()) == []


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 4
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("name", ["net.params", "trainer.states", "manifest.json"])
@pytest.mark.parametrize("damage", ["first", "middle", "last", "half", "empty", "missing"])
def test_any_damage_is_noticed(trained, tmp_path, name, damage):
    saved = save(tmp_path, trained, state_after(1, test_accs=[0.5]))
    path = saved / name
    size = path.stat().st_size
    if damage == "missing":
        path.unlink()
    elif damage in ("half", "empty"):
        path.write_bytes(path.read_bytes()[: size // 2 if damage == "half" else 0])
    else:
        flip(path, {"first": 0, "middle": size // 2, "last": size - 2}[damage])
    before = weights(trained[0])
    with pytest.raises(CheckpointError, match=f"is damaged: {name} is not as it was written: restore it"):
        load_network(saved, trained[0], CPU)
    assert are_equal(before, weights(trained[0]))


def test_files_of_another_checkpoint_are_noticed(trained, images, tmp_path):
    one = save(tmp_path / "one", trained, state_after(1, test_accs=[0.5]))
    one_step(*trained, images)
    two = save(tmp_path / "two", trained, state_after(1, test_accs=[0.5]))
    shutil.copy(two / "net.params", one / "net.params")
    with pytest.raises(CheckpointError, match=r"net\.params is not as it was written"):
        load_network(one, trained[0], CPU)


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (lambda: lenet(edition="en"), r"4\.weight should be of shape \(120, 400\), but is of shape \(120, 256\)"),
        (lambda: lenet(num_classes=7), r"6\.weight should be of shape \(7, 84\), but is of shape \(10, 84\)"),
    ],
)
def test_parameters_of_another_network_are_named(trained, tmp_path, other, difference, images):
    saved = save(tmp_path, trained, state_after(1, test_accs=[0.5]))
    net = other()
    net.initialize()
    net(images)
    with pytest.raises(CheckpointError, match=f"parameters of another network: {difference}: restore the checkpoint"):
        load_network(saved, net, CPU)


def test_surplus_layers_are_named(trained, tmp_path):
    saved = save(tmp_path, trained, state_after(1, test_accs=[0.5]))
    with pytest.raises(CheckpointError, match=r"it has 6\.\w+, which this one does not have"):
        load_network(saved, lenet()[:6], CPU)


def rewrite(checkpoint, change):
    """Change a manifest and give it the right hash."""
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    manifest.pop("sha256")
    change(manifest)
    (checkpoint / "manifest.json").write_text(json.dumps({"sha256": module._hash_of(manifest), **manifest}))


def test_file_that_holds_no_parameters(trained, tmp_path):
    saved = save(tmp_path, trained, state_after(1, test_accs=[0.5]))
    path = saved / "net.params"
    mx.nd.save(str(path), [mx.nd.ones(3)])
    stated = {"sha256": module.sha256_of(path), "bytes": path.stat().st_size}
    rewrite(saved, lambda manifest: manifest["files"].update({"net.params": stated}))
    with pytest.raises(CheckpointError, match="holds no parameters of a network"):
        load_network(saved, trained[0], CPU)


def test_checkpoint_of_another_version_is_left_alone(trained, tmp_path):
    """Although the one before could be used."""
    save(tmp_path, trained, state_after(1, test_accs=[0.5]))
    rewrite(save(tmp_path, trained, state_after(2, test_accs=[0.5, 0.5])), lambda manifest: manifest.update(format=1))
    with pytest.raises(OtherVersion, match="was written by another version of gluon-cnn: use that version to read it"):
        load_last_checkpoint(tmp_path, trained[0], CPU)
    assert names_in(tmp_path) == ["epoch-001", "epoch-002"]


def test_trainers_states_of_another_mxnet(trained):
    states = b"cmxnet.optimizer.nowhere\nNothing\n."  # a pickle of a class that is not there
    with pytest.raises(GluonCNNError, match=r"written by another MXNet: use the one that config\.json names"):
        load_states(trained[1], states)


def test_two_newest_and_the_best_stay(trained, tmp_path):
    accuracies = [0.3, 0.7, 0.5, 0.7, 0.6]
    with Saver(tmp_path) as saver:
        for epoch in range(1, 6):
            saver.save(*trained, state_after(epoch, test_accs=accuracies[:epoch]))
            saver.save(*trained, state_after(epoch, step=3, test_accs=accuracies[:epoch]))
    assert names_in(tmp_path) == ["epoch-002", "epoch-004", "epoch-005", "epoch-005-step-00003"]
    assert last_checkpoint(tmp_path).name == "epoch-005-step-00003"
    assert best_checkpoint(tmp_path).name == "epoch-002"


def test_best_is_one_that_is_kept(trained, tmp_path):
    """The third epoch is damaged; the second one's history has a best that was removed when the third was better."""
    accuracies = [0.5, 0.4, 0.6]
    for epoch in (1, 2, 3):
        save(tmp_path, trained, state_after(epoch, test_accs=accuracies[:epoch]))
        tidy(tmp_path)
    flip(tmp_path / "epoch-003" / "net.params", 500)
    load_last_checkpoint(tmp_path, trained[0], CPU)
    assert best_checkpoint(tmp_path).name == "epoch-002"


def test_order_is_by_number_not_by_name(trained, tmp_path):
    for epoch in (998, 999, 1000, 1001):
        saved = save(tmp_path, trained, state_after(epoch, test_accs=[0.1] * epoch))
        assert last_checkpoint(tmp_path) == saved
    (tmp_path / "epoch-1001.damaged").mkdir()  # as a person would move one away
    assert last_checkpoint(tmp_path) == saved
    assert best_checkpoint(tmp_path).name == "epoch-998"


def test_damaged_checkpoint_that_is_not_needed(trained, tmp_path):
    first = save(tmp_path, trained, state_after(1, test_accs=[0.9]))
    (first / "net.params").write_bytes(b"")
    for epoch in (2, 3, 4):
        save(tmp_path, trained, state_after(epoch, test_accs=[0.9, 0.8, 0.7, 0.6][:epoch]))
        tidy(tmp_path)
    assert load_last_checkpoint(tmp_path, trained[0], CPU).epoch == 4


def test_before_a_damaged_last_checkpoint_is_used(trained, tmp_path, caplog):
    for epoch in (1, 2, 3):
        save(tmp_path, trained, state_after(epoch, test_accs=[0.5, 0.6, 0.7][:epoch]))
        tidy(tmp_path)
    flip(tmp_path / "epoch-003" / "net.params", 500)
    assert load_last_checkpoint(tmp_path, trained[0], CPU).epoch == 2
    assert last_checkpoint(tmp_path).name == "epoch-002"
    assert "epoch-003 is damaged: net.params is not as it was written; it is epoch-003.damaged now, and" in caplog.text
    assert names_in(tmp_path) == ["epoch-002", "epoch-003.damaged"]


def test_if_none_is_whole_nothing_is_touched(trained, tmp_path):
    for epoch in (1, 2):
        save(tmp_path, trained, state_after(epoch, test_accs=[0.5, 0.6][:epoch]))
        flip(tmp_path / f"epoch-00{epoch}" / "manifest.json", 40)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(CheckpointError, match=r"No checkpoint in .* is whole \(epoch-002, epoch-001\): restore one"):
        load_last_checkpoint(tmp_path, trained[0], CPU)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_without_a_checkpoint_there_is_no_state(trained, tmp_path):
    assert load_last_checkpoint(tmp_path, trained[0], CPU) is None
    assert (last_checkpoint(tmp_path), best_checkpoint(tmp_path), read_states(tmp_path)) == (None, None, b"")


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.write_text("mine"), lambda path: path.symlink_to("..")])
def test_what_is_no_checkpoint_stays(trained, tmp_path, make):
    """Also where it has the name of one that is being written, removed, or put aside."""
    for epoch in range(1, 5):
        save(tmp_path, trained, state_after(epoch, test_accs=[0.5] * epoch))
    names = [".epoch-009.tmp", "epoch-004.damaged"]
    for name in names:
        make(tmp_path / name)
    before = {name: (tmp_path / name).lstat() for name in names}
    tidy(tmp_path)
    (tmp_path / "epoch-004" / "net.params").write_bytes(b"damaged")
    state = load_last_checkpoint(tmp_path, trained[0], CPU)
    assert state.epoch == 3
    assert (tmp_path / "epoch-004.damaged-2").is_dir()
    assert {name: (tmp_path / name).lstat() for name in names} == before


def test_files_of_others_in_a_checkpoint_stay(trained, tmp_path):
    for epoch in range(1, 5):
        save(tmp_path, trained, state_after(epoch, test_accs=[0.5, 0.6, 0.7, 0.8][:epoch]))
        (tmp_path / f"epoch-{epoch:03d}" / "notes").write_text("mine")
    tidy(tmp_path)
    assert len(list(tmp_path.glob("*/notes"))) == 4
    assert sorted(path.name for path in tmp_path.glob("epoch-*")) == ["epoch-003", "epoch-004"]
