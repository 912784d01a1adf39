"""How many threads: the environment, the cores, and the quotas of control groups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pronghorn_cpu import threads


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRONGHORN_NUM_THREADS", " 3 ")
    assert threads.thread_count() == 3


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "1025"])
def test_a_bad_number_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PRONGHORN_NUM_THREADS", value)
    with pytest.raises(ValueError, match=f"PRONGHORN_NUM_THREADS is '{value}'; set it to a whole number"):
        threads.thread_count()


def test_without_a_quota_it_is_the_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRONGHORN_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_cgroup_quotas", lambda: iter(()))
    expected = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert threads.thread_count() == expected


@pytest.mark.parametrize(("quotas", "expected"), [([2.5, 1.9], 1), ([0.5], 1), ([2.5], 2), ([100.0], 8)])
def test_the_tightest_quota_counts_in_whole_cores(
    monkeypatch: pytest.MonkeyPatch, quotas: list[float], expected: int
) -> None:
    monkeypatch.delenv("PRONGHORN_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "core_count", lambda: 8)
    monkeypatch.setattr(threads, "_cgroup_quotas", lambda: iter(quotas))
    assert threads.thread_count() == expected


def test_quotas_of_version_2_are_read_along_the_path(tmp_path: Path) -> None:
    root = tmp_path / "sys"
    (root / "user" / "job").mkdir(parents=True)
    (root / "user" / "cpu.max").write_text("300000 100000\n")
    (root / "user" / "job" / "cpu.max").write_text("max 100000\n")
    groups = tmp_path / "cgroup"
    groups.write_text("0::/user/job\n")
    assert list(threads._cgroup_quotas(groups, root)) == [3.0]


def test_quotas_of_version_1(tmp_path: Path) -> None:
    group = tmp_path / "sys" / "cpu,cpuacct" / "job"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text("150000\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    (group.parent / "cpu.cfs_quota_us").write_text("-1\n")
    groups = tmp_path / "cgroup"
    groups.write_text("4:cpu,cpuacct:/job\n3:memory:/job\n")
    assert list(threads._cgroup_quotas(groups, tmp_path / "sys")) == [1.5]


def test_no_control_groups(tmp_path: Path) -> None:
    assert list(threads._cgroup_quotas(tmp_path / "none", tmp_path)) == []
