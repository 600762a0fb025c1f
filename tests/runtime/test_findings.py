"""What the doctor finds about GPUs, CUDA, threads and disks, and how it is written."""

import json
import shutil
from pathlib import Path

import mxnet as mx
import pytest

from gluon_cnn.runtime import cuda, doctor, install_hint, nvidia, openmp, usable_cores
from gluon_cnn.runtime.doctor import Finding, as_json, as_text, disk, examine, healthy

T4 = "Tesla T4, 7.5, 15360, 312, 535.104.05"
A100 = "NVIDIA A100-SXM4-40GB, 8.0, 40960, 4, 535.104.05"
RTX_4090 = "NVIDIA GeForce RTX 4090, 8.9, 24564, 1201, 550.54.14"
H100 = "NVIDIA H100 80GB HBM3, 9.0, 81559, 3, 550.54.14"


@pytest.mark.parametrize(
    ("answer", "capability"), [(T4, "7.5"), (A100, "8.0"), (RTX_4090, "8.9")], ids=["T4", "A100", "RTX 4090"]
)
def test_gpu_that_mxnet_has_kernels_for(nvidia_smi, answer, capability):
    nvidia_smi(f"echo '{answer}'")
    (finding,) = doctor._gpus(gpu_build=True)
    model, _, memory, used, driver = answer.split(", ")
    assert finding == Finding(
        "GPU 0",
        f"{model}, {memory} MiB of which {used} are used, driver {driver}, compute capability {capability}, "
        "for which MXNet has kernels",
    )
    (finding,) = doctor._gpus(gpu_build=False)
    assert finding.state == "warning"
    assert finding.advice == (
        f"not used, because the CPU build of MXNet is installed: pip uninstall mxnet, then {install_hint('cu112')}"
    )


def test_gpu_that_is_too_new(nvidia_smi):
    nvidia_smi(f"echo '{H100}'")
    for gpu_build, state in ((True, "problem"), (False, "warning")):
        (finding,) = doctor._gpus(gpu_build)
        assert "compute capability 9.0, for which MXNet has no kernels" in finding.value
        assert (finding.state, finding.advice) == (
            state,
            "MXNet 1.9.1's wheels have kernels for 5.0 to 8.9 only: use the CPU or another GPU",
        )


def test_each_of_two_gpus_is_judged(nvidia_smi):
    nvidia_smi(f"echo '{T4}'; echo 'Tesla K80, 3.7, 11441, [N/A], 470.57.02'")
    first, second = doctor._gpus(gpu_build=True)
    assert (first.name, first.state) == ("GPU 0", "ok")
    assert (second.name, second.state) == ("GPU 1", "problem")


def test_driver_too_old_for_the_compute_capability(nvidia_smi):
    nvidia_smi(
        'case "$1" in *compute_cap*) echo \'Field "compute_cap" is not a valid field to query.\'; exit 2;; esac\n'
        "echo 'Tesla M60, 7618, 0, 418.87.00'"
    )
    (finding,) = doctor._gpus(gpu_build=True)
    assert finding.value == "Tesla M60, 7618 MiB of which 0 are used, driver 418.87.00, compute capability unknown"
    assert finding.state == "warning"
    assert "update the driver" in finding.advice


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            "echo 'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.'; exit 9",
            "nvidia-smi says: NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.",
        ),
        ("echo 'No devices were found'; exit 6", "nvidia-smi says: No devices were found"),
        ("exit 0", "nvidia-smi says: nothing"),
        ("echo 'segmentation fault'", "nvidia-smi's answer cannot be read: segmentation fault"),
        ("head -c 100000 /dev/zero", "nvidia-smi's answer cannot be read: "),
        ("sleep 60", "nvidia-smi gave no answer in 0.5 seconds"),
    ],
)
def test_nvidia_smi_that_shows_no_gpu(nvidia_smi, monkeypatch, body, reason):
    monkeypatch.setattr(nvidia, "NVIDIA_SMI_TIMEOUT", 0.5)
    nvidia_smi(body)
    (finding,) = doctor._gpus(gpu_build=True)
    assert finding.value.startswith(f"none: {reason}")
    assert (finding.state, finding.advice) == ("problem", "install or repair the NVIDIA driver, or use the CPU")
    (finding,) = doctor._gpus(gpu_build=False)
    assert (finding.state, finding.advice) == ("ok", "")


def test_nvidia_smi_that_cannot_be_run(nvidia_smi):
    nvidia_smi("")
    Path(shutil.which("nvidia-smi")).write_bytes(b"\x7fELF")
    (finding,) = doctor._gpus(gpu_build=True)
    assert "cannot be run" in finding.value


def test_no_nvidia_smi(no_nvidia_smi):
    (finding,) = doctor._gpus(gpu_build=True)
    assert finding.value == "none: there is no nvidia-smi, which comes with NVIDIA's driver"


def test_text_and_json_say_the_same(nvidia_smi):
    nvidia_smi(f"echo '{T4}'; echo '{H100}'")
    findings = examine(extra=[Finding("data", "of the caller")])
    lines = as_text(findings).splitlines()
    assert max(len(line) for line in lines if " /" not in line) <= 80  # a path is not cut
    document = json.loads(as_json(findings))
    assert document["ok"] is healthy(findings) is True
    text = " ".join(" ".join(lines).replace("→", " ").split())
    for finding in document["findings"]:
        assert sorted(finding) == ["advice", "name", "state", "value"]
        assert f"{finding['state']} {finding['name']} {finding['value']} {finding['advice']}".strip() in text
    names = [finding["name"] for finding in document["findings"]]
    assert names[:5] == ["Python", "NumPy", "MXNet", "features", "threads"]
    assert names[-6:] == ["GPU 0", "GPU 1", "data", "disk, runs", "disk, temporary", "optional"]
    assert lines[-1] == f"no problems, {sum(finding.state == 'warning' for finding in findings)} warnings"


def test_one_problem_is_counted():
    findings = [Finding("a", "b"), Finding("c", "d", "problem", "e")]
    assert as_text(findings).splitlines()[-1] == "1 problem, no warnings"
    assert not healthy(findings)


def test_disk_that_is_full_or_not_writable(tmp_path):
    assert disk("runs", lambda: tmp_path / "not" / "yet", 1, "").state == "ok"
    full = disk("runs", lambda: tmp_path, 1e18, "a run is large")
    assert (full.state, full.advice) == ("warning", "make room: a run is large")
    (tmp_path / "file").touch()
    assert disk("runs", lambda: tmp_path / "file" / "runs", 1, "").state == "problem"


def test_disk_without_room_for_a_temporary_file(nvidia_smi, monkeypatch):
    def gettempdir():
        raise FileNotFoundError(2, "No usable temporary directory found")

    nvidia_smi(f"echo '{T4}'")
    monkeypatch.setattr("tempfile.gettempdir", gettempdir)
    findings = {finding.name: finding for finding in examine()}
    assert findings["disk, temporary"].state == "problem"
    assert findings["GPU 0"].value.startswith("Tesla T4")


def test_more_threads_than_cores_is_a_warning(monkeypatch):
    cores = usable_cores()
    for number, state in ((cores, "ok"), (cores + 1, "warning")):
        monkeypatch.setenv("OMP_NUM_THREADS", str(number))
        assert doctor._threads().state == state
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert doctor._threads().value == f"{cores} for MXNet, cores this process may use: {cores}"


def test_variable_that_lowers_threads_is_named(monkeypatch):
    monkeypatch.setattr(openmp, "_restricted", [(8, 1)])
    monkeypatch.setattr(openmp, "_overruled", {"OMP_DYNAMIC": "true"})
    monkeypatch.setenv("OMP_DYNAMIC", "false")
    monkeypatch.setenv("OMP_THREAD_LIMIT", "1")
    finding = doctor._threads()
    assert finding.advice == "MXNet gets 1 thread instead of 8, because OMP_THREAD_LIMIT is 1: unset it"
    assert (finding.state, finding.value.split("; ")[1]) == ("warning", "OMP_DYNAMIC is true, which is overruled")


def test_cuda_libraries_are_looked_for_everywhere(tmp_path, monkeypatch):
    site = tmp_path / "site-packages"
    for package, library in cuda.CUDA_LIBRARIES:
        path = site / "nvidia" / package / "lib" / library
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.syspath_prepend(str(site))
    finding = doctor._cuda_libraries()
    assert (finding.state, finding.value) == ("ok", f"11 of 11 libraries in {site / 'nvidia'}")
    (site / "nvidia" / "cudnn" / "lib" / "libcudnn.so.8").unlink()
    monkeypatch.setattr(doctor.ctypes, "CDLL", lambda library: None)
    assert doctor._cuda_libraries().value.endswith("; libcudnn.so.8 where the system looks")

    def missing(library):
        raise OSError(library)

    monkeypatch.setattr(doctor.ctypes, "CDLL", missing)
    finding = doctor._cuda_libraries()
    assert (finding.state, finding.advice) == ("problem", install_hint("cu112"))
    assert finding.value == "libcudnn.so.8 missing"


def test_gpu_build_tries_each_gpu(no_nvidia_smi, monkeypatch):
    monkeypatch.setattr(doctor, "mxnet_wheels", lambda: {"mxnet-cu112": "1.9.1"})
    monkeypatch.setattr("gluon_cnn.runtime.devices.number_of_gpus", lambda: 2)
    monkeypatch.setattr("gluon_cnn.runtime.devices.gpu_problem", lambda index: [None, "it is too hot: cool it"][index])
    monkeypatch.setattr(mx.runtime.Features, "is_enabled", lambda features, name: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
    findings = {finding.name: finding for finding in examine()}
    assert findings["MXNet"].value == "1.9.1, the GPU build, from the wheel mxnet-cu112"
    assert findings["GPUs"].state == "problem"
    assert findings["gpu:0"] == Finding("gpu:0", "computes (CUDA_VISIBLE_DEVICES is '3,4')")
    assert (findings["gpu:1"].state, findings["gpu:1"].advice) == ("problem", "it is too hot: cool it")
    assert "CUDA" in findings
