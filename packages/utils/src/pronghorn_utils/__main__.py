"""The main module of a process that a script under `python -m pronghorn run` has started: the script itself."""

from __future__ import annotations

import os
import sys

from pronghorn_utils.running import SCRIPT, execute_script

if __name__ == "__mp_main__":  # as multiprocessing calls it
    sys.argv[0] = os.environ[SCRIPT]  # has been this file
    execute_script(globals())
