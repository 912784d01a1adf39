"""`python -m pronghorn`, and the names `keras` and `tensorflow.keras`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pronghorn.__main__ import main


def python(*arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True, timeout=600).stdout


def test_plugins_are_listed(capsys: pytest.CaptureFixture[str]):
    main(["plugins"])
    from pronghorn import plugins

    printed = capsys.readouterr().out
    for plugin in plugins.status():
        assert f"{plugin.dist} {plugin.version}: {plugin.name} is {plugin.state}" in printed


def test_without_a_command_the_usage_is_shown(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main([])
    assert "COMMAND" in capsys.readouterr().err
