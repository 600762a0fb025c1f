"""What the doctor finds about threads and disks, and how it is written."""

import json

from gluon_cnn.runtime import doctor, openmp, usable_cores
from gluon_cnn.runtime.doctor import Finding, as_json, as_text, disk, examine, healthy

T4 = "Tesla T4, 7.5, 15360, 312, 535.104.05, [N/A]"
H100 = "NVIDIA H100 80GB HBM3, 9.0, 81559, 3, 550.54.14, Disabled"


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
