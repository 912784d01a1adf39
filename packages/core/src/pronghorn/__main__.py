"""`python -m pronghorn`: show plugins, and the commands that plugins offer."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence

from pronghorn import plugins, version


def main(arguments: Sequence[str] | None = None) -> None:
    epilog = f"Commands: {', '.join(['plugins', *plugins.references('commands')])}. `COMMAND --help` describes each."
    parser = argparse.ArgumentParser(prog="python -m pronghorn", description=__doc__, epilog=epilog)
    parser.add_argument("--version", action="version", version=f"pronghorn {version()}")
    parser.add_argument("command", metavar="COMMAND")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what the command gets").required = False
    options = parser.parse_args(arguments)
    try:
        name = options.command
        command = list_plugins if name == "plugins" else plugins.find("commands", name, ("plugins",)).load()
    except (plugins.UnknownName, plugins.UnavailableName) as error:
        parser.error(str(error))
    command(options.arguments)


def list_plugins(arguments: Sequence[str]) -> None:
    """Lists every plugin: active, disabled and broken."""
    parser = argparse.ArgumentParser(prog="python -m pronghorn plugins", description=list_plugins.__doc__)
    parser.add_argument("--names", action="store_true", help="with the names that each offers")
    options = parser.parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", plugins.PluginWarning)  # the list says it
        found = plugins.status()
    try:
        for plugin in found:
            counts = ", ".join(f"{len(names)} {kind}" for kind, names in plugin.contributions.items())
            print(f"{plugin.dist} {plugin.version}: {plugin.name} is {plugin.state}{counts and ': ' + counts}")
            if plugin.error:
                print(f"    {plugin.error}")
            for kind, names in plugin.contributions.items() if options.names else ():
                print(f"    {kind}: {', '.join(sorted(names))}")
        sys.stdout.flush()
    except BrokenPipeError:  # its reader, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
