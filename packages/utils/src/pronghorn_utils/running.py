"""`python -m pronghorn run`: a Keras script, unchanged, on Pronghorn; also in the processes that it starts."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from pronghorn_utils.compat import install_as_keras

SCRIPT = "PRONGHORN_SCRIPT"
"""The environment variable that tells processes of the script where it is; it may change directories and sys.argv."""


def run(arguments: Sequence[str]) -> None:
    """Runs a script that imports keras or tensorflow.keras."""
    parser = argparse.ArgumentParser(prog="python -m pronghorn run", description=run.__doc__)
    parser.add_argument("script", help="path of the script")
    rest = parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what the script gets as sys.argv[1:]")
    rest.required = False
    options = parser.parse_args(arguments)
    script = Path(options.script)
    if not script.is_file():
        name = repr(options.script)
        parser.error(f"{name} is a folder, not a script" if script.is_dir() else f"there is no script {name}")
    os.environ[SCRIPT] = os.path.abspath(script)
    sys.argv = [options.script, *options.arguments]
    sys.path[0] = str(script.resolve().parent)
    sys.modules["__main__"] = main = ModuleType("__main__")
    sys.excepthook = _show
    execute_script(vars(main))


def execute_script(namespace: dict[str, Any]) -> None:
    """Executes the script in the variables of a main module: here, or of a process that it starts.

    A process that is started anew ("spawn") imports the module of the main module's `__spec__`, which Python's own
    scripts have not, and else the file, which would not find keras. It is this package's `__main__`, named without
    a dot, so that the script is in no package.
    """
    install_as_keras()
    script = os.environ[SCRIPT]
    namespace.update(__file__=script, __spec__=ModuleSpec("pronghorn_utils", None), __package__=None)
    exec(compile(Path(script).read_bytes(), script, "exec", dont_inherit=True), namespace)


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Shows an error as Python does for a script: without the frames that lead to it."""
    while trace is not None and trace.tb_frame.f_code.co_filename != os.environ[SCRIPT]:
        trace = trace.tb_next
    sys.__excepthook__(kind, error.with_traceback(trace), trace)
