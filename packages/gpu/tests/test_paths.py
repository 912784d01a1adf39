"""The committed table of paths is the present one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.gpu


def test_the_table_is_up_to_date() -> None:
    folder = Path(__file__).parent
    code = "import paths; print(paths.table() == paths.TARGET.read_text())"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True", f"run `python packages/gpu/tests/paths.py`\n{done.stderr}"
