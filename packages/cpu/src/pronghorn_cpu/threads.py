"""How many threads this process may use: what the machine, the container and the user allow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

_LARGEST = 1024
_Quota = Callable[[Path], float | None]


def thread_count() -> int:
    """The number of threads to compute with, at least 1.

    ``PRONGHORN_NUM_THREADS`` decides if it is set. Otherwise it is the number of cores in the process's
    affinity mask, or the whole cores in its cgroup's CPU quota (version 1 or 2, the tightest of the group and
    its parents) if that is less: a thread above the quota would make all others wait at every barrier while
    it is throttled.

    Raises:
        ValueError: ``PRONGHORN_NUM_THREADS`` is no whole number from 1 to 1024.
    """
    asked = os.environ.get("PRONGHORN_NUM_THREADS", "").strip()
    if asked:
        return checked_thread_count(asked, "PRONGHORN_NUM_THREADS")
    quotas = [int(quota) for quota in _cgroup_quotas()]
    return max(1, min([core_count(), *quotas]))


def checked_thread_count(value: object, argument: str) -> int:
    """``value`` as a number of threads.

    Raises:
        ValueError: it is no whole number from 1 to 1024; the message names ``argument``.
    """
    try:
        count = int(str(value))
    except ValueError:
        count = 0
    if not 1 <= count <= _LARGEST:
        raise ValueError(f"{argument} is {value!r}; set it to a whole number of threads from 1 to {_LARGEST}")
    return count


def core_count() -> int:
    """The number of cores in the process's affinity mask."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cgroup_quotas(proc: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> Iterator[float]:
    """The CPU quotas in cores that bind this process; none where there are no cgroups."""
    try:
        lines = proc.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            yield from _quotas_along(root, group, _quota_v2)
        elif "cpu" in controllers.split(","):
            yield from _quotas_along(root / controllers, group, _quota_v1)


def _quotas_along(mount: Path, group: str, quota: _Quota) -> Iterator[float]:
    """The quota of ``group`` and of each of its parents up to the mount point."""
    parts = [part for part in group.split("/") if part not in ("", "..")]
    for depth in range(len(parts) + 1):
        try:
            cores = quota(mount.joinpath(*parts[:depth]))
        except (OSError, ValueError):
            continue
        if cores is not None:
            yield cores


def _quota_v2(group: Path) -> float | None:
    quota, period = (group / "cpu.max").read_text().split()
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(group: Path) -> float | None:
    quota = int((group / "cpu.cfs_quota_us").read_text())
    return None if quota <= 0 else quota / int((group / "cpu.cfs_period_us").read_text())
