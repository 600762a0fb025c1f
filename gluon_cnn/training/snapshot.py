"""A training at one moment, copied so that it can continue while the copy is written."""

import copy
import dataclasses
from typing import Dict, NamedTuple, Optional

import mxnet as mx

from gluon_cnn.models.parameters import copied_parameters
from gluon_cnn.training.manifest import State
from gluon_cnn.training.mixed_precision import scaler_state

__all__ = ["Snapshot", "take_snapshot"]


class Snapshot(NamedTuple):
    """A training at one moment: copies of its parameters by name, the sums of their squares, a copy of the
    trainer's states (or None), and where the run stands."""

    parameters: Dict[str, mx.nd.NDArray]
    squares: mx.nd.NDArray
    updater: Optional[mx.optimizer.Updater]
    state: State


def take_snapshot(net, trainer, state):
    """Copy a training, so that it can continue while the copy is written.

    Parameters
    ----------
    net : Block
    trainer : gluon.Trainer
    state : State
    """
    parameters = copied_parameters(net)
    squares = mx.nd.multi_sum_sq(*parameters.values(), num_arrays=len(parameters))
    state = dataclasses.replace(state, loss_scaler=scaler_state(trainer))
    return Snapshot(parameters, squares, _copy_of_states(trainer), state)


def _copy_of_states(trainer):
    """What ``trainer.save_states`` would write, which waits and writes at once."""
    if trainer._update_on_kvstore and trainer._distributed:  # they are in the servers, which do not give them back
        return None
    # With several devices it is the kvstore that updates.
    updater = trainer._kvstore._updater if trainer._update_on_kvstore else trainer._updaters[0]
    # A copy of the optimizer, which leaves the parameters out of copies by itself.
    snapshot = mx.optimizer.Updater(copy.deepcopy(updater.optimizer))
    snapshot.states = {index: _copied(state) for index, state in updater.states.items()}
    return snapshot


def _copied(state):
    if isinstance(state, (tuple, list)):
        return type(state)(_copied(part) for part in state)
    return None if state is None else state * 1
