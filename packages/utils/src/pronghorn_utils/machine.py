"""`python -m pronghorn info` and `cache`: the machine, its accelerators, and what they keep on the disk."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pronghorn import accelerator, plugins


def info(arguments: Sequence[str]) -> None:
    """Shows versions, devices and settings."""
    argparse.ArgumentParser(prog="python -m pronghorn info", description=info.__doc__).parse_args(arguments)
    print(f"Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} processors")
    for distribution in ("pronghorn-core", "numpy", "h5py"):
        print(f"{distribution} {version(distribution)}")
    for name in ("numpy", *plugins.references("accelerators")):
        print(f"accelerator {name}: {_state_of(name)}")
    print(f"accelerator in use: {accelerator.current().name}")
    for name in sorted(name for name in os.environ if name.startswith("PRONGHORN_")):
        print(f"{name}={os.environ[name]}")


def _state_of(name: str) -> str:
    """Whether an accelerator works here; whatever is wrong with it is part of the answer."""
    try:
        return (accelerator.Accelerator if name == "numpy" else plugins.load("accelerators", name))().describe()
    except Exception as error:
        return f"broken: {error}"


def cache(arguments: Sequence[str]) -> None:
    """Shows where compiled kernels are kept, and how much."""
    parser = argparse.ArgumentParser(prog="python -m pronghorn cache", description=cache.__doc__)
    parser.add_argument("--clear", action="store_true", help="remove them")
    options = parser.parse_args(arguments)
    devices = accelerator.installed()
    directories = {name: found for name in devices if (found := _cache_directory(devices[name])) is not None}
    if not directories:
        print("no installed accelerator keeps compiled kernels")
    for name, directory in directories.items():
        files = [path for path in directory.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        if options.clear:
            for path in directory.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        done = "removed" if options.clear else "holds"
        print(f"{name}: {directory} {done} {len(files)} files, {size / 2**20:.1f} MB")


def _cache_directory(device: Any) -> Path | None:
    """Where an accelerator keeps compiled kernels, if it has such a place."""
    return device.cache_directory() if hasattr(device, "cache_directory") else None
