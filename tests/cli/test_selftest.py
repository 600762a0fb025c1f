"""``gluon-cnn selftest``: what it prints, its exit code, its JSON, and how it ends early."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import mxnet as mx
import pytest

from gluon_cnn import selftest
from gluon_cnn.cli import main
from gluon_cnn.cli import selftest as command
from gluon_cnn.runtime.devices import describe
from gluon_cnn.selftest import batches, layers, networks, report, runs
from gluon_cnn.selftest.check import Check

#: The command as a program, with few layers, few images, and LeNet alone.
PROGRAM = """
import sys
from gluon_cnn.cli import main
from gluon_cnn.selftest import batches, layers, networks, runs
del runs._RUNS["lenet"]
layers.CASES, batches._IMAGES, networks.list_models = layers.CASES[-9:-7], 32, lambda: ["lenet"]
sys.exit(main(["selftest", *sys.argv[1:]]))
"""


@pytest.fixture
def quick(monkeypatch):
    """Some of each kind of check."""
    monkeypatch.setattr(networks, "list_models", lambda: ["lenet"])
    monkeypatch.setattr(batches, "_IMAGES", 32)
    monkeypatch.setattr(layers, "CASES", [case for case in layers.CASES if case.name in ("relu", "dense, 400 to 120")])
    monkeypatch.setattr(runs, "_twice", lambda them: runs._same(them.whole(), them.whole()))


def test_cpu_passes_with_a_table_and_a_verdict(quick, capsys):
    assert main(["selftest", "--ctx", "cpu:1"]) == 0
    first, *lines, last = capsys.readouterr().out.splitlines()
    assert first == "testing cpu(1)"
    assert last.startswith("verdict: cpu(1) passes all 16 checks, in ")
    assert [line.split()[0] for line in lines[:16]] == ["ok"] * 16
    table = [line for line in lines[17:] if line]
    assert "layers, forward and backward, in float32         2 of 2" in table[0]
    assert table[0].endswith(", at most 5e-05")
    assert table[-2].split() == ["images/s", "an", "epoch", "on", "a", "V100", "memory"]
    assert table[-1].split()[0] == "lenet"
    assert table[-1].endswith(" MiB")


def test_failure_says_which_and_what_to_do(quick, capsys, monkeypatch):
    relu = mx.nd.Activation
    monkeypatch.setattr(mx.nd, "Activation", lambda *args, **options: relu(*args, **options) + 1e-3)
    assert main(["selftest", "--ctx", "cpu"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("verdict: cpu(0) fails 1 of 16 checks")
    failed = [number for number, line in enumerate(lines) if line.startswith("FAILED")]
    assert len(failed) == 2  # as it ends, and under the table
    assert lines[failed[1]].startswith("FAILED  layers, float32: relu: ")
    assert lines[failed[1] + 1].startswith("        → The device computes this layer wrongly")


def test_json_is_alone_on_standard_output():
    done = subprocess.run([sys.executable, "-c", PROGRAM, "--ctx", "cpu:1", "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["ok"] is True
    assert document["device"] == {"context": "cpu(1)"}
    assert {check["group"] for check in document["checks"]} == set(report._GROUPS) - {"layers, float16"}
    assert document["versions"]["mxnet"] == mx.__version__
    assert {"machine", "environment", "seconds", "started", "verdict"} <= set(document)
    assert document["environment"]["OMP_NUM_THREADS"]
    assert "GPUs" in {finding["name"] for finding in document["findings"]}
    assert done.stderr.count("\n") == len(document["checks"]) + 1


@pytest.mark.parametrize(
    ("ctx", "reason"),
    [
        ("gpu", "gpu:0 cannot be used, because the CPU build of MXNet is installed"),
        ("cpu:0,1", "A self-test is of one device, not of cpu(0), cpu(1): name one (--ctx)."),
        ("tpu", "There is no context 'tpu'"),
    ],
)
def test_device_that_is_not_there_is_one_line(ctx, reason, fails):
    assert reason in fails("selftest", "--ctx", ctx)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_it_and_leaves_nothing(number, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "--ctx", "cpu"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # a shell's & makes its commands ignore Ctrl-C
    )
    while process.poll() is None and not list(tmp_path.glob("gluon-cnn-selftest-*/other")):
        time.sleep(0.05)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "gluon-cnn: interrupted.\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_reader_that_goes_away_leaves_the_code(flags):
    program = """
import sys
from gluon_cnn import selftest
from gluon_cnn.cli import main
from gluon_cnn.selftest.check import Check
selftest.run_checks = lambda device: (Check("runs", str(number), number < 3, "") for number in range(5))
sys.exit(main(["selftest", "--ctx", "cpu", *sys.argv[1:]]))
"""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", program, *flags]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert done.returncode == 1
    assert "Broken" not in done.stderr


def test_ignored_hangup_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with command._signals_as_ctrl_c():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGHUP, before)


def test_float16_and_mixed_precision_are_for_gpus(monkeypatch):
    asked = []
    for name in ("layers", "batches", "dropout", "runs", "networks", "mixed_precision"):
        monkeypatch.setattr(selftest, f"check_{name}", lambda *args, name=name: asked.append((name, *args[1:2])) or [])
    list(selftest.run_checks(mx.cpu()))
    on_cpu = list(asked)
    list(selftest.run_checks(mx.gpu()))
    assert [what for what in asked[len(on_cpu) :] if what not in on_cpu] == [
        ("layers", "float16"),
        ("mixed_precision",),
    ]


@pytest.mark.parametrize(
    ("value", "words"), [("1", "NVIDIA_TF32_OVERRIDE is 1, so"), (None, "is not set, so"), ("0", "")]
)
def test_tf32_is_named_where_it_may_be_on(value, words, monkeypatch):
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    if value:
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", value)
    meaning = selftest._meaning(mx.gpu())
    assert words in meaning
    assert ("TF32" in meaning) is bool(words)
    assert "TF32" not in selftest._meaning(mx.cpu())


def test_memory_of_a_gpu_is_what_was_taken(monkeypatch):
    free = iter([(1000 << 20, 0), (600 << 20, 0)])
    monkeypatch.setattr(mx.context, "gpu_memory_info", lambda number: next(free))
    device = SimpleNamespace(device_type="gpu", device_id=0, empty_cache=lambda: None)
    assert networks._Memory(device).taken() == 400


def test_driver_that_is_not_there_describes_nothing():
    assert describe(mx.cpu()) == {}
    assert describe(mx.gpu()) == {"name": None, "compute_capability": None}


def test_table_without_speeds_has_a_verdict():
    checks = [
        Check("steps", "nin", False, "the loss is not a finite number", "Report it."),
        Check("runs", "x", True, ""),
        Check("runs", "y", False, "could not be tried: no room", "Make room.", untried=True),
    ]
    text = report.as_table(checks, "gpu(0)", 3.2)
    assert "untried runs: y: could not be tried: no room\n        → Make room.\n" in text
    assert text.endswith("\nverdict: gpu(0) fails 1 of 3 checks, 1 could not be tried: do not rely on what it computes")
    assert "V100" not in text
