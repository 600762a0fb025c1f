"""Errors carry the names of settings; the command line says them in flags."""

import signal

import mxnet as mx
import pytest

from gluon_cnn.cli.failures import explain, in_flags
from gluon_cnn.cli.parser import Parser, add_run
from gluon_cnn.cli.train import make_train_parser
from gluon_cnn.errors import CheckpointError, RunError, RunStopped, SettingError, TrainingDiverged


@pytest.fixture(scope="module")
def train_parser():
    return make_train_parser()


@pytest.mark.parametrize(
    ("settings", "flags"),
    [
        (["epochs"], " (--epochs)"),
        (["side"], " (--resize)"),
        (["momentum"], " (--set momentum=...)"),
        (["epochs", "momentum", "epochs"], " (--epochs, --set momentum=...)"),
        (["resume", "out"], " (--resume, --out)"),
        (["hybrid"], " (--no-hybrid)"),
        (["final_relu"], " (--set final_relu=...)"),
        (["model"], ""),
        (["model", "out"], " (--out)"),
        (["workers"], ""),
        (["options"], ""),
        (["measured_threads"], ""),
        (["ratio"], ""),
        ([], ""),
    ],
)
def test_flags_stand_before_the_period(train_parser, settings, flags):
    error = SettingError("This is wrong: change it.", *settings)
    assert in_flags(error, train_parser, "nin") == f"This is wrong: change it{flags}."


def test_message_without_a_period_gets_flags_too(train_parser):
    assert in_flags(RunError("Taken", "out"), train_parser) == "Taken (--out)"
    assert in_flags(RunError("Taken?", "out"), train_parser) == "Taken (--out)?"


def test_errors_with_a_problem_are_said_in_flags(train_parser):
    error = TrainingDiverged("The loss is no longer finite", "try a smaller learning rate", "lr")
    assert in_flags(error, train_parser) == "The loss is no longer finite: try a smaller learning rate (--lr)."
    error = CheckpointError("It is damaged", "resume the run", "resume")
    assert in_flags(error, train_parser) == "It is damaged: resume the run (--resume)."


def test_command_names_only_its_own_flags():
    parser = Parser()
    add_run(parser)
    assert in_flags(SettingError("Wrong.", "momentum", "out", "directory"), parser, "nin") == "Wrong."
    assert in_flags(SettingError("Wrong.", "which"), parser) == "Wrong (--checkpoint)."


def test_unknown_network_has_no_options(train_parser):
    assert in_flags(SettingError("Wrong.", "ratio"), train_parser, "no-such-network") == "Wrong."


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (SettingError("Wrong.", "lr"), "Wrong (--lr).", 1),
        (RunStopped("stopped", signal.SIGTERM), "stopped", 143),
        (KeyboardInterrupt(), "interrupted.", 130),
        (mx.MXNetError("Traceback:\n  in C++\n  too little memory\n"), "MXNet failed: too little memory", 1),
        (OSError(28, "No space left on device", "a\nb"), "a b: No space left on device.", 1),
        (ValueError("a bug"), None, None),
        (ModuleNotFoundError("No module named 'other'", name="other"), None, None),
    ],
)
def test_errors_end_with_a_line_and_a_code(train_parser, error, line, code):
    assert explain(error, train_parser) == (line and (line, code))


def test_missing_mxnet_says_what_to_install(train_parser):
    line, code = explain(ModuleNotFoundError("No module named 'mxnet'", name="mxnet"), train_parser)
    assert line.startswith("MXNet is not installed: pip install ")
    assert code == 1
