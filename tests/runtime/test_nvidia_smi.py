"""What the doctor finds about GPUs: an ``nvidia-smi`` that prints what the real one prints there."""

import shutil
from pathlib import Path

import pytest

from gluon_cnn.runtime import nvidia
from gluon_cnn.runtime.build import CUDA_11_WHEELS, Kernels
from gluon_cnn.runtime.finding import Finding
from gluon_cnn.runtime.gpu_findings import gpus
from gluon_cnn.runtime.installation import install_hint

pytestmark = pytest.mark.usefixtures("plain_machine")

# Rows of name, compute_cap, memory.total, memory.used, driver_version, mig.mode.current.
T4 = "Tesla T4, 7.5, 15360, 312, 535.104.05, [N/A]"
A100 = "NVIDIA A100-SXM4-40GB, 8.0, 40960, 4, 535.104.05, Disabled"
RTX_4090 = "NVIDIA GeForce RTX 4090, 8.9, 24564, 1201, 550.54.14, [N/A]"
H100 = "NVIDIA H100 80GB HBM3, 9.0, 81559, 3, 550.54.14, Disabled"
REPAIR = "install or repair the NVIDIA driver, or use the CPU"
NVSMI_FAILED = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA "
    "driver is installed and running."
)
NO_NVML = (
    "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that the NVIDIA Display Driver "
    "is properly installed and present in your system.\\nPlease also try adding directory that contains "
    "libnvidia-ml.so to your system PATH."
)


def prints(*lines, code=0):
    """The body of a script that prints lines and ends with an exit code."""
    return "".join(f"printf '%b\\n' \"{line}\"\n" for line in lines) + f"exit {code}"


@pytest.mark.parametrize("row", [T4, A100, RTX_4090])
def test_gpu_that_mxnet_has_kernels_for(nvidia_smi, row):
    nvidia_smi(prints(row))
    (finding,) = gpus(True, CUDA_11_WHEELS)
    model, capability, memory, used, driver, _ = row.split(", ")
    assert finding == Finding(
        "GPU 0",
        f"{model}, {memory} MiB of which {used} are used, driver {driver}, compute capability {capability}, "
        "for which MXNet has kernels",
    )
    (finding,) = gpus(False)
    assert finding.state == "warning"
    assert finding.advice == (
        f"not used, because the CPU build of MXNet is installed: pip uninstall mxnet, then {install_hint('cu112')}"
    )


def test_gpu_that_is_too_new(nvidia_smi):
    nvidia_smi(prints(H100))
    (finding,) = gpus(True, CUDA_11_WHEELS)
    assert "compute capability 9.0, for which MXNet has no kernels" in finding.value
    assert (finding.state, finding.advice) == (
        "problem",
        "this build of MXNet has kernels for 5.0 to 8.9 only: use the CPU, another GPU, or another build (docs/gpu.md "
        "names others)",
    )
    (finding,) = gpus(False)
    assert finding.state == "warning"
    assert "PyPI's GPU wheels have kernels for 5.0 to 8.9 only" in finding.advice
    assert install_hint("own-mxnet") in finding.advice


@pytest.mark.parametrize("kernels", [None, Kernels(frozenset({(9, 0)})), Kernels(frozenset(), frozenset({(8, 0)}))])
def test_working_h100_is_no_problem(nvidia_smi, kernels):
    nvidia_smi(prints(H100))
    (finding,) = gpus(True, kernels)
    assert finding.state == "ok"


def test_each_of_two_gpus_is_judged(nvidia_smi):
    nvidia_smi(prints(T4, "Tesla K80, 3.7, 11441, [N/A], 470.57.02, [N/A]"))
    first, second = gpus(True, CUDA_11_WHEELS)
    assert (first.name, first.state) == ("GPU 0", "ok")
    assert (second.name, second.state) == ("GPU 1", "problem")
    assert "11441 MiB, driver 470.57.02" in second.value


@pytest.mark.parametrize(
    ("row", "value"),
    [
        (
            "Tesla T4, 7.5, [N/A], [Not Supported], 535.104.05, [N/A]",
            "Tesla T4, memory unknown, driver 535.104.05, comp",
        ),
        ("NVIDIA GB10, 12.1, [N/A], [N/A], 580.95.05, [N/A]", "NVIDIA GB10, memory unknown, driver 580.95.05, comp"),
        ("[N/A], 7.5, 15360, [N/A], 535.104.05, [N/A]", "a GPU, 15360 MiB, driver 535.104.05, comp"),
        (
            "Tesla T4, 7.5, [Not Found], [Deprecated], 535.104.05, [Requested functionality has been deprecated]",
            "Tesla T4, memory unknown, driver 535.104.05, comp",
        ),
    ],
)
def test_value_that_is_not_told_is_left_out(nvidia_smi, row, value):
    nvidia_smi(prints(row))
    (finding,) = gpus(True, Kernels(frozenset({(7, 0), (12, 0)})))
    assert finding.state == "ok"
    assert finding.value.startswith(value)
    assert "[" not in finding.value


def test_compute_capability_that_is_not_told(nvidia_smi):
    nvidia_smi(prints("Tesla M60, [Not Supported], 7618, 0, 418.87.00, [N/A]"))
    (finding,) = gpus(True, CUDA_11_WHEELS)
    assert finding.value == "Tesla M60, 7618 MiB of which 0 are used, driver 418.87.00, compute capability unknown"
    assert finding.state == "warning"


def test_driver_too_old_for_some_fields(nvidia_smi):
    nvidia_smi(
        'for field in compute_cap mig.mode.current; do case "$1" in *$field*) '
        'echo "Field \\"$field\\" is not a valid field to query."; echo; exit 2;; esac; done\n'
        "echo 'Tesla M60, 7618, 0, 418.87.00'"
    )
    (finding,) = gpus(True, CUDA_11_WHEELS)
    assert finding.value == "Tesla M60, 7618 MiB of which 0 are used, driver 418.87.00, compute capability unknown"
    assert "an update of the driver may" in finding.advice


@pytest.mark.parametrize("field", ["name", "driver_version"])
def test_driver_that_refuses_what_all_know(nvidia_smi, field):
    refusal = f'Field "{field}" is not a valid field to query.'
    nvidia_smi(f"case \"$1\" in *{field}*) echo '{refusal}'; exit 2;; esac\necho 'Tesla T4, 7.5, 15360, 312, [N/A]'")
    assert gpus(True)[0].value == f"none: nvidia-smi says: {refusal}"


def test_child_that_holds_the_pipe_is_not_awaited(nvidia_smi, monkeypatch):
    monkeypatch.setattr(nvidia, "NVIDIA_SMI_TIMEOUT", 5)
    nvidia_smi(f"sleep 20 &\n{prints(T4)}")
    assert gpus(True, CUDA_11_WHEELS)[0].state == "ok"


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("WARNING: infoROM is corrupted at gpu 0000:B3:00.0", 14),
        ("Unable to determine the device handle for GPU 0000:02:00.0: Unknown Error", 255),
        (
            "Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.  Reboot the system",
            15,
        ),
        ("Warning: persistence mode is disabled on device 00000000:00:04.0, as it was", 0),
        ("GPU 0: a, b, c, d, e", 0),
    ],
)
def test_other_line_among_the_rows(nvidia_smi, line, code, before):
    nvidia_smi(prints(*([line, T4] if before else [T4, line]), code=code))
    gpu, remark = gpus(True, CUDA_11_WHEELS)
    assert (gpu.name, gpu.state) == ("GPU 0", "ok")
    assert (remark.name, remark.state) == ("nvidia-smi", "warning")
    assert remark.value == f"says: {line}"


def test_many_other_lines_are_cut(nvidia_smi):
    nvidia_smi(prints(*[f"WARNING: {number}" for number in range(100)], T4))
    assert [finding.name for finding in gpus(True, CUDA_11_WHEELS)] == ["GPU 0"] + ["nvidia-smi"] * 5


def test_nothing_moves_the_terminals_cursor(nvidia_smi):
    nvidia_smi("printf 'WARNING: \\033[2J\\r\\n'; printf 'Tesla \\033]0;T4, 7.5, 15360, 312, 535.104.05, [N/A]\\r\\n'")
    gpu, remark = gpus(True, CUDA_11_WHEELS)
    assert gpu.value.startswith("Tesla ?]0;T4, 15360 MiB")
    assert remark.value == "says: WARNING: ?[2J"


@pytest.mark.parametrize("fault", ["GPU is lost", "GPU requires reset", "Unknown Error"])
def test_gpu_with_a_fault(nvidia_smi, fault):
    nvidia_smi(prints(f"NVIDIA A40, [{fault}], [{fault}], [{fault}], 535.104.05, [{fault}]", A100))
    lost, whole = gpus(True, CUDA_11_WHEELS)
    assert lost.value.endswith(f"but the driver says: {fault}")
    assert (lost.state, whole.state) == ("warning", "ok")
    assert lost.advice.startswith("restart the machine")


def test_gpu_whose_driver_is_not_told(nvidia_smi):
    unknown = "[Unknown Error]"
    nvidia_smi(prints(f"NVIDIA A40, {unknown}, {unknown}, {unknown}, {unknown}, {unknown}"))
    (finding,) = gpus(True, CUDA_11_WHEELS)
    assert finding.value.startswith("NVIDIA A40, memory unknown, driver unknown, compute capability unknown, but the")
    assert finding.state == "warning"


def test_gpu_in_mig_mode(nvidia_smi, monkeypatch):
    hidden = "[Insufficient Permissions]"
    nvidia_smi(prints(f"NVIDIA A100-SXM4-80GB, 8.0, {hidden}, {hidden}, 535.161.08, Enabled"))
    (finding,) = gpus(True, CUDA_11_WHEELS)
    assert finding.state == "ok"
    assert "memory unknown, driver 535.161.08, compute capability 8.0, in MIG mode" in finding.value
    assert "nvidia-smi -L" in finding.advice
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-12345678-9abc-def0-1234-56789abcdef0")
    assert gpus(True, CUDA_11_WHEELS)[0].advice == ""


@pytest.mark.parametrize(
    ("body", "reason", "advice"),
    [
        (
            prints(NVSMI_FAILED, code=9),
            "nvidia-smi says: NVIDIA-SMI has failed",
            "load the driver, or install it again",
        ),
        (prints(NO_NVML, code=12), "nvidia-smi says: NVIDIA-SMI couldn't find", "its libraries are missing"),
        (
            prints("No devices were found", code=6),
            "nvidia-smi says: No devices were found",
            "check that a GPU is plugged",
        ),
        (
            prints(
                "Failed to initialize NVML: Driver/library version mismatch", "NVML library version: 535.86", code=18
            ),
            "nvidia-smi says: Failed to initialize NVML: Driver/library version mismatch",
            "restart the machine, whose driver was updated while it ran",
        ),
        (
            prints("Failed to initialize NVML: GPU access blocked by the operating system", code=17),
            "nvidia-smi says: Failed to initialize NVML: GPU access blocked",
            "install the driver in Windows, and none in WSL",
        ),
        (
            prints("Failed to initialize NVML: Insufficient Permissions", code=4),
            "nvidia-smi says: Failed to initialize NVML: Insufficient Permissions",
            "let this user open /dev/nvidia*",
        ),
        (prints("Failed to initialize NVML: Unknown Error", code=255), "nvidia-smi says: Failed", REPAIR),
        ("exit 0", "nvidia-smi says: nothing", REPAIR),
        ("echo 'segmentation fault'", "nvidia-smi's answer cannot be read: segmentation fault", REPAIR),
        ("head -c 100000 /dev/zero", "nvidia-smi's answer cannot be read: ", REPAIR),
        ("yes 'a program that never ends'", "nvidia-smi's answer cannot be read: a program that never ends", REPAIR),
        ("sleep 60", "nvidia-smi gave no answer in 0.5 seconds", "keep the GPUs awake (sudo nvidia-smi -pm 1)"),
    ],
)
def test_nvidia_smi_that_shows_no_gpu(nvidia_smi, monkeypatch, body, reason, advice):
    monkeypatch.setattr(nvidia, "NVIDIA_SMI_TIMEOUT", 0.5 if "sleep" in body else 30)
    nvidia_smi(body)
    (finding,) = gpus(True)
    assert finding.value.startswith(f"none: {reason}")
    assert finding.state == "problem"
    assert advice in finding.advice
    (finding,) = gpus(False)
    assert (finding.state, finding.advice) == ("ok", "")


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("Failed to initialize NVML: Unknown Error", "restart the container, from which the host has taken the GPU"),
        ("No devices were found", "start it with --gpus all"),
        ("Failed to initialize NVML: Driver/library version mismatch", "restart the machine"),
    ],
)
def test_nvidia_smi_in_a_container(nvidia_smi, monkeypatch, tmp_path, line, advice):
    (tmp_path / ".dockerenv").touch()
    monkeypatch.setattr(nvidia, "_CONTAINERS", {str(tmp_path / ".dockerenv"): "--gpus all"})
    nvidia_smi(prints(line, code=1))
    assert gpus(True)[0].advice.startswith(advice)


def test_nvidia_smi_that_cannot_be_run(nvidia_smi):
    nvidia_smi("")
    Path(shutil.which("nvidia-smi")).write_bytes(b"\x7fELF")
    (finding,) = gpus(True)
    assert "cannot be run" in finding.value


def test_no_nvidia_smi(no_nvidia_smi):
    (finding,) = gpus(True)
    assert finding.value == "none: there is no nvidia-smi, which comes with NVIDIA's driver"
    assert finding.advice == "install the driver, or use the CPU"


def test_program_beside_wsls_libraries_is_found(nvidia_smi, monkeypatch, tmp_path):
    nvidia_smi(prints(RTX_4090))
    monkeypatch.setenv("PATH", str(tmp_path))  # where sudo or a service has not put WSL's folder
    monkeypatch.setattr(nvidia, "_PROGRAMS", (str(tmp_path / "bin"),))
    assert gpus(True, CUDA_11_WHEELS)[0].state == "ok"
