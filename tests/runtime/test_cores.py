"""How many cores a process may use."""

import os

import pytest

from gluon_cnn.runtime import cores, usable_cores


@pytest.mark.parametrize(
    ("line", "files", "expected"),
    [
        ("0::/job/step", {"job/cpu.max": "150000 100000", "job/step/cpu.max": "max 100000"}, 1.5),
        ("0::/", {"cpu.max": "max 100000"}, float("inf")),
        ("3:cpu,cpuacct:/a", {"cpu/a/cpu.cfs_quota_us": "50000", "cpu/a/cpu.cfs_period_us": "100000"}, 0.5),
        ("3:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, float("inf")),
        ("7:memory:/a", {}, float("inf")),
        ("", {}, float("inf")),
        ("no cgroup here", {}, float("inf")),
        ("0::/\udcff", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/", {"cpu.max": "100000 0"}, float("inf")),
        ("3:cpu:/", {"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "0"}, float("inf")),
    ],
)
def test_smallest_quota_of_the_cgroups_counts(tmp_path, line, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    proc_file = tmp_path / "self"
    proc_file.write_bytes(os.fsencode(line) + b"\n")
    assert cores._cgroup_quota(proc_file, tmp_path) == expected


def test_hyper_threads_of_one_core_count_once(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(cores, "_siblings", lambda processor: f"{processor % 2},{processor % 2 + 2}")
    monkeypatch.setattr(cores, "_cgroup_quota", lambda: float("inf"))
    assert usable_cores() == 2


def test_quota_below_one_core_is_one_core(monkeypatch):
    monkeypatch.setattr(cores, "_cgroup_quota", lambda: 0.5)
    assert usable_cores() == 1
