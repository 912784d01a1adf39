"""`python -m pronghorn`: run a Keras script; show plugins, the machine, the kernel cache."""

from __future__ import annotations

import argparse
import os
import platform
import runpy
import shutil
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pronghorn import accelerator, plugins


def main(arguments: Sequence[str] | None = None) -> None:
    offered = ", ".join(plugins.references("commands")) or "none"
    epilog = f"Commands of installed distributions: {offered}."
    parser = argparse.ArgumentParser(prog="python -m pronghorn", description=__doc__, epilog=epilog)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("run", help="run a script that imports keras or tensorflow.keras")
    command.add_argument("script", help="path of the script")
    command.add_argument("arguments", nargs=argparse.REMAINDER, help="what the script gets as sys.argv[1:]")
    command.set_defaults(do=run)

    command = commands.add_parser("plugins", help="list every plugin: active, disabled and broken")
    command.add_argument("--names", action="store_true", help="with the names that each offers")
    command.set_defaults(do=list_plugins)

    commands.add_parser("info", help="show versions, devices and directories").set_defaults(do=info)

    command = commands.add_parser("cache", help="show where compiled kernels are kept, and how much")
    command.add_argument("--clear", action="store_true", help="remove them")
    command.set_defaults(do=cache)

    given = sys.argv[1:] if arguments is None else list(arguments)
    if given and not given[0].startswith("-") and given[0] not in commands.choices:
        _run_plugin(given[0], given[1:], parser)
        return
    options = parser.parse_args(given)
    options.do(options)


def _run_plugin(name: str, arguments: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Runs a command that an installed distribution offers."""
    try:
        command = plugins.load("commands", name)
    except (plugins.UnknownName, plugins.UnavailableName) as error:
        parser.error(str(error))
    command(arguments)


def run(options: argparse.Namespace) -> None:
    from pronghorn.compat import install_as_keras

    install_as_keras()
    script = Path(options.script)
    sys.argv = [options.script, *options.arguments]
    sys.path[0] = str(script.resolve().parent)
    runpy.run_path(str(script), run_name="__main__")


def list_plugins(options: argparse.Namespace) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", plugins.PluginWarning)  # the list says it
        found = plugins.status()
    for plugin in found:
        counts = ", ".join(f"{len(names)} {kind}" for kind, names in plugin.contributions.items())
        print(f"{plugin.dist} {plugin.version}: {plugin.name} is {plugin.state}{counts and ': ' + counts}")
        if plugin.error:
            print(f"    {plugin.error}")
        for kind, names in plugin.contributions.items() if options.names else ():
            print(f"    {kind}: {', '.join(sorted(names))}")


def info(options: argparse.Namespace) -> None:
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


def cache(options: argparse.Namespace) -> None:
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


if __name__ == "__main__":
    main()
