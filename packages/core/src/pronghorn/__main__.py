"""`python -m pronghorn`: run a Keras script, show plugins, and the commands that plugins offer."""

from __future__ import annotations

import argparse
import runpy
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from pronghorn import plugins


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
    import pronghorn

    pronghorn.install_as_keras()
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


if __name__ == "__main__":
    main()
