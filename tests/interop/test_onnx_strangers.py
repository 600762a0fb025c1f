"""ONNX files of strangers: what their numbers mean, and that no file ends, fills or holds up more than its process."""

import os
import signal
import subprocess
import time

import numpy as np
import psutil
import pytest
from onnx_files import (
    DENSE,
    LARGEST,
    WEIGHT,
    WITH_LARGEST,
    after,
    beside,
    endless,
    external,
    model,
    node,
    onnx,
    probabilities_of,
    saved,
    sequence,
    tensor,
)
from PIL import Image
from runs import CLI, command
from scipy.special import expit, softmax

from gluon_cnn.data import SAMPLE, read_fashion_mnist
from gluon_cnn.data.scaled import to_batch
from gluon_cnn.errors import InteropError
from gluon_cnn.interop import onnx_process
from gluon_cnn.interop.onnx_graph import read_graph, size_in_all, size_of
from gluon_cnn.interop.onnx_network import OnnxNetwork

IMAGES = read_fashion_mnist(SAMPLE).test.images[:3]
LOGITS = IMAGES.reshape(3, -1).astype(np.float32) / np.float32(255) @ WEIGHT
FLOAT16, DOUBLE = onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE
GOOD = after(node("Identity", ["z"], ["y"]))
LABEL = node("ArgMax", ["z"], ["label"], axis=1, keepdims=0)
MEAN, LARGE = node("ReduceMean", ["x"], ["flat"], axes=[2, 3], keepdims=0), ("n", 1, 20_000, 20_000)
BOTH = [tensor("label", onnx.TensorProto.INT64, ("n",)), tensor("y", 1, ("n", 10))]
SHARES, PER_CENT = node("Softmax", ["z"], ["p"]), np.float32(100)
HUNDRED = node("Constant", [], ["hundredth"], value_float=0.01)
EXPONENTIALS = [node("Exp", ["z"], ["e"]), node("ReduceSum", ["e", "classes"], ["s"]), node("Div", ["e", "s"], ["y"])]


def ints(*values):
    return np.array(values, np.int64)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (GOOD, softmax),
        (probabilities_of("Softmax"), softmax),
        (probabilities_of("LogSoftmax"), softmax),
        (probabilities_of("Sigmoid"), lambda logits, axis: expit(logits)),
        (probabilities_of("HardSigmoid"), lambda logits, axis: np.clip(logits * np.float32(0.2) + 0.5, 0, 1)),
        (after(SHARES, node("Mul", ["c", "p"], ["y"]), c=PER_CENT), softmax),
        (after(SHARES, HUNDRED, node("Div", ["p", "hundredth"], ["y"])), softmax),
        (after(node("Mul", ["z", "c"], ["y"]), c=np.float32(2)), lambda logits, axis: softmax(2 * logits, axis)),
        (
            after(SHARES, node("Clip", ["p", "a", "b"], ["y"]), a=np.float32(0.1), b=np.float32(1)),
            lambda logits, axis: softmax(logits, axis).clip(0.1, 1),
        ),
        (after(node("Softmax", ["z"], ["p"]), node("Reshape", ["p", "to"], ["y"]), to=ints(-1, 10)), softmax),
        (after(node("Softmax", ["z"], ["p"]), node("Cast", ["p"], ["y"], to=DOUBLE), kind=DOUBLE), softmax),
        (after(node("Cast", ["z"], ["h"], to=FLOAT16), node("Softmax", ["h"], ["y"]), kind=FLOAT16), softmax),
        (after(node("Cast", ["z"], ["y"], to=FLOAT16), kind=FLOAT16), softmax),
        (after(*EXPONENTIALS, classes=ints(1)), softmax),
        (model([*DENSE, LABEL, node("Softmax", ["z"], ["y"])], outputs=BOTH), softmax),
    ],
)
def test_softmax_is_taken_only_of_logits(found, expected, tmp_path):
    network = OnnxNetwork(saved(found, tmp_path / "net.onnx"))
    for images, logits in ((IMAGES, LOGITS), (IMAGES[:1], LOGITS[:1])):
        assert np.allclose(network.probabilities(to_batch(images)), expected(logits, axis=1), atol=2e-3)
    assert (network.logits(IMAGES).argmax(axis=1) == LOGITS.argmax(axis=1)).all()


def test_predict_prints_the_files_own_probabilities(tmp_path, capsys):
    path, picture = saved(probabilities_of("Softmax"), tmp_path / "UP.ONNX"), tmp_path / "shoe.png"
    Image.fromarray(IMAGES[0]).save(picture)
    command("predict", path, picture)
    assert f"{100 * softmax(LOGITS[0]).max():.1f} %" in capsys.readouterr().out.splitlines()[2]


def test_output_without_a_shape_is_taken(tmp_path):
    found = after(node("Identity", ["z"], ["y"]))
    found.graph.output[0].type.tensor_type.ClearField("shape")
    assert np.allclose(OnnxNetwork(saved(found, tmp_path / "net.onnx")).logits(IMAGES), LOGITS, atol=1e-4)
    found.graph.node[-1].op_type = "None"
    with pytest.raises(InteropError, match=r"onnx.checker: No Op registered for None"):
        OnnxNetwork(saved(found, tmp_path / "net.onnx"))


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (after(node("Cast", ["z"], ["y"], to=7), kind=7), r"it gives tensor\(int64\) n×10, not float32 N×10"),
        (after(node("Cast", ["z"], ["y"], to=8), kind=8), r"it gives tensor\(string\)"),
        (after(node("Mul", ["z", "nan"], ["y"]), nan=np.float32(np.nan)), "it gives numbers that are not finite"),
        (after(node("Softmax", ["z"], ["y"], axis=0)), "its softmax is not over the classes"),
        (after(node("ReduceMax", ["z"], ["y"], axes=[0]), shape=("k", 10)), r"it gives \(1, 10\) for 3 images"),
        (sequence(), r"it gives seq\(map\("),
        (
            model([*DENSE, node("Neg", ["z"], ["y"])], outputs=[tensor(name, 1, ("n", 10)) for name in "yz"]),
            "it gives float32 N×10 2 times",
        ),
    ],
    ids=["int64", "string", "nan", "axis", "one-answer", "maps", "two"],
)
def test_output_that_is_no_answer_is_refused(found, message, tmp_path):
    with pytest.raises(InteropError, match=f"net.onnx is not a network for Fashion-MNIST: {message}"):
        OnnxNetwork(saved(found, tmp_path / "net.onnx")).logits(IMAGES)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (beside(node("ConstantOfShape", ["to"], ["large"]), to=ints(1 << 30)), "it needs more memory than"),
        (beside(LARGEST, node("Tile", ["one", "to"], ["large"]), to=ints(1, 1, 40000, 40000)), "more memory than"),
        (beside(node("Conv", ["x", "k"], ["large"], strides=[0, 0]), k=np.ones((1, 1, 3, 3), "f")), "SIGFPE"),
        (model(GOOD.graph.node, taken=(10**6, 1, 28, 28)), "takes batches of 1000000 images of 28×28"),
        (
            model([MEAN, *DENSE[1:], GOOD.graph.node[-1]], {"w": WEIGHT[:1]}, taken=LARGE),
            "images of 20000×20000, more than 25 MB",
        ),
    ],
    ids=["constant", "tile", "strides", "batch", "side"],
)
def test_file_that_takes_too_much_is_one_line(found, message, tmp_path, fails):
    path, picture = saved(found, tmp_path / "net.onnx"), tmp_path / "shoe.png"
    Image.fromarray(IMAGES[0]).save(picture)
    line = fails("predict", path, picture)
    assert str(path) in line
    assert message in line


def test_endless_file_is_stopped(tmp_path, monkeypatch):
    network = OnnxNetwork(saved(endless(), tmp_path / "net.onnx"))
    monkeypatch.setattr(onnx_process.OnnxProcess, "_resident", lambda self: 1 << 60)  # as where nothing else limits it
    with pytest.raises(InteropError, match="it needs more memory than"):
        network.logits(IMAGES)
    monkeypatch.undo()
    monkeypatch.setattr(onnx_process, "SECONDS", 3)
    with pytest.raises(InteropError, match="it takes more than 3 seconds"):
        OnnxNetwork(tmp_path / "net.onnx").logits(IMAGES)


def test_interrupt_ends_both_processes(tmp_path):
    path, picture = saved(endless(), tmp_path / "net.onnx"), tmp_path / "shoe.png"
    Image.fromarray(IMAGES[0]).save(picture)
    # A shell's background process, as these tests may be, ignores SIGINT, and so would what it starts.
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    argv = [*CLI, "predict", str(path), str(picture)]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, **heard) as process:
        children = []
        while not children:
            assert process.poll() is None
            time.sleep(0.05)
            children = [
                child for child in psutil.Process(process.pid).children() if "onnx_child" in str(child.cmdline())
            ]
        process.send_signal(signal.SIGINT)
        assert process.communicate()[1] == "gluon-cnn: interrupted.\n"
    assert process.returncode == 130
    assert not psutil.wait_procs(children, timeout=60)[1]


def test_path_that_is_not_utf8_is_named(lenet_run, tmp_path, fails):
    out = os.fsdecode(os.fsencode(tmp_path) + b"/net\xff.onnx")
    assert "is not UTF-8, and ONNX opens no such path" in fails("export", lenet_run, "--out", out)
    saved(endless(), tmp_path / "net.onnx").rename(out)
    assert "is not UTF-8, and ONNX opens no such path" in fails("evaluate", out)


@pytest.mark.parametrize("location", ["/etc/passwd", "../w", "link", "fifo", "nothing", "", "*/_ORT_MEM_ADDR_/*"])
def test_data_elsewhere_are_not_read(location, tmp_path):
    directory = tmp_path / "net"
    directory.mkdir()
    (tmp_path / "w").write_bytes(WEIGHT.tobytes())
    (directory / "link").symlink_to(tmp_path / "w")
    os.mkfifo(directory / "fifo")
    with pytest.raises(InteropError, match=r"net.onnx is not a file that ONNX Runtime can run \(.*\): name"):
        OnnxNetwork(saved(external(location), directory / "net.onnx"))


def test_data_beside_the_file_are_read(tmp_path):
    (tmp_path / "w").write_bytes(WEIGHT.tobytes())
    assert np.allclose(OnnxNetwork(saved(external("w"), tmp_path / "net.onnx")).logits(IMAGES), LOGITS, atol=1e-4)


def test_empty_file_of_gigabytes_allows_no_more_memory(tmp_path):
    (tmp_path / "w").write_bytes(WEIGHT.tobytes())
    os.truncate(tmp_path / "w", 40 << 30)
    large = node("Tile", ["one", "to"], ["large"])
    path = saved(external("w", LARGEST, large, *WITH_LARGEST, to=ints(1, 1, 8000, 8000)), tmp_path / "net.onnx")
    with pytest.raises(InteropError, match="it needs more memory than"):
        OnnxNetwork(path).logits(IMAGES)


def test_size_is_what_tensors_claim_and_files_hold(tmp_path):
    path = saved(external("w"), tmp_path / "net.onnx")
    for content, size in ((WEIGHT.tobytes() + bytes(10**6), WEIGHT.nbytes), (b"", 0)):
        (tmp_path / "w").write_bytes(content)
        os.truncate(tmp_path / "w", 40 << 30)
        assert size_in_all(path, read_graph(path)) == path.stat().st_size + size
    (tmp_path / "w").write_bytes(WEIGHT.tobytes())
    os.link(tmp_path / "w", tmp_path / "v")
    found, again = external("w"), external("v")
    found.graph.initializer.extend(again.graph.initializer)
    assert size_in_all(path, found) == path.stat().st_size + WEIGHT.nbytes
    os.truncate(path, 40 << 30)
    assert size_of(path) < 1 << 20


def test_data_of_unknown_type_are_refused(tmp_path):
    (tmp_path / "w").write_bytes(WEIGHT.tobytes())
    found = external("w")
    found.graph.initializer[0].data_type = 99
    with pytest.raises(InteropError, match=r"net.onnx is not a file .* \(a tensor has the unknown type 99\)"):
        OnnxNetwork(saved(found, tmp_path / "net.onnx"))


@pytest.mark.parametrize("target", ["/dev/zero", None], ids=["device", "fifo"])
def test_only_regular_files_are_opened(target, tmp_path):
    path = tmp_path / "net.onnx"
    path.symlink_to(target) if target else os.mkfifo(path)
    with pytest.raises(InteropError, match="is not a regular file"):
        OnnxNetwork(path)


def test_texts_that_are_no_texts_are_refused(tmp_path):
    found = after(node("Identity", ["z"], ["y"]))
    found.producer_name = "gluon-cnn"
    onnx.helper.set_model_props(found, {"classes": "[[[[" * 50_000})
    with pytest.raises(InteropError, match="has metadata that cannot be read"):
        OnnxNetwork(saved(found, tmp_path / "net.onnx"))
    onnx.helper.set_model_props(found, {"classes": "@@@@"})
    content = found.SerializeToString().replace(b"@@@@", b"\xff\xfe\x00\x80")
    with pytest.raises(InteropError, match=r"net.onnx is not a file that ONNX Runtime can run \(.*codec"):
        OnnxNetwork(saved(content, tmp_path / "net.onnx"))
