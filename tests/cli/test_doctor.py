"""``gluon-cnn doctor``: its exit code, its data, and what it and the others say where MXNet cannot be imported."""

import json
import shutil
import subprocess
import sys

import pytest

from gluon_cnn.cli import main
from gluon_cnn.data import SAMPLE
from gluon_cnn.runtime import INSTALL_HINT


@pytest.fixture
def doctor(capsys):
    """A function that runs ``gluon-cnn doctor --json`` and returns its exit code and the findings by name."""

    def run(*arguments):
        code = main(["doctor", "--json", *map(str, arguments)])
        document = json.loads(capsys.readouterr().out)
        assert document["ok"] is (code == 0)
        return code, {finding["name"]: finding for finding in document["findings"]}

    return run


def test_healthy_installation_exits_with_0(doctor, capsys):
    code, findings = doctor("--data-dir", SAMPLE)
    assert code == 0
    assert findings["data"]["value"] == f"Fashion-MNIST, second release, 2,000 and 500 images, verified, in {SAMPLE}"
    names = list(findings)
    assert names[:5] == ["Python", "NumPy", "MXNet", "features", "threads"]
    assert names.index("data") < names.index("disk, runs") < names.index("optional")
    assert "disk, data" in names
    assert main(["doctor", "--data-dir", str(SAMPLE)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    # What is free on a disk changes from call to call.
    assert all(finding["value"] in text for name, finding in findings.items() if not name.startswith("disk"))


def test_directory_without_data_is_a_problem(doctor, tmp_path):
    code, findings = doctor("--data-dir", tmp_path)
    assert code == 1
    assert [name for name, finding in findings.items() if finding["state"] == "problem"] == ["data"]
    assert "holds no train-images-idx3-ubyte" in findings["data"]["advice"]


def test_damaged_data_are_a_problem(doctor, tmp_path):
    for path in SAMPLE.iterdir():
        shutil.copy(path, tmp_path)
    damaged = next(tmp_path.glob("t10k-labels*"))
    damaged.write_bytes(damaged.read_bytes()[:-7])
    code, findings = doctor("--data-dir", tmp_path)
    assert code == 1
    assert findings["data"]["state"] == "problem"
    assert "delete it and" in findings["data"]["advice"]


def test_missing_data_are_not_downloaded(doctor, tmp_path, monkeypatch):
    monkeypatch.setenv("MXNET_HOME", str(tmp_path / "mxnet"))
    monkeypatch.setattr("gluon_cnn.data.places.DEBIAN_PLACE", tmp_path / "debian")
    monkeypatch.setattr("gluon_cnn.data.places._download", lambda release: pytest.fail("a download"))
    code, findings = doctor()
    assert code == 0
    assert findings["data"]["state"] == "warning"
    assert findings["data"]["value"] == "Fashion-MNIST is not there yet"
    assert "gluon-cnn data" in findings["data"]["advice"]
    assert not (tmp_path / "mxnet").exists()


def test_doctor_works_without_mxnet(doctor, monkeypatch):
    monkeypatch.setitem(sys.modules, "mxnet", None)
    code, findings = doctor("--data-dir", SAMPLE)
    assert code == 1
    assert findings["MXNet"]["state"] == "problem"
    assert findings["data"]["state"] == "ok"


#: Two commands in a process that has no MXNet.
WITHOUT_MXNET = """
import sys
sys.modules["mxnet"] = None
from gluon_cnn.cli import main
print(main(["train", "lenet", "--data", "sample"]), main(["summary", "nin"]))
"""


def test_other_commands_report_missing_mxnet(tmp_path):
    done = subprocess.run([sys.executable, "-c", WITHOUT_MXNET], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "1 1\n"
    assert done.stderr == f"gluon-cnn: MXNet is not installed: {INSTALL_HINT}.\n" * 2
    assert not list(tmp_path.iterdir())
