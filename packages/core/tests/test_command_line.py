"""`python -m pronghorn`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pronghorn import plugins, version
from pronghorn.__main__ import main


def test_plugins_are_listed(capsys: pytest.CaptureFixture[str]):
    main(["plugins"])
    printed = capsys.readouterr().out
    for plugin in plugins.status():
        assert f"{plugin.dist} {plugin.version}: {plugin.name} is {plugin.state}" in printed


def test_a_reader_may_have_enough_of_the_list():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "pronghorn", "plugins", "--names"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=600)
    os.close(writer)
    assert (done.stderr, done.returncode) == ("", 0)


def test_the_version_and_the_commands_are_shown(capsys: pytest.CaptureFixture[str]):
    for option in ("--version", "--help"):
        with pytest.raises(SystemExit):
            main([option])
    printed = capsys.readouterr().out
    assert printed.startswith(f"pronghorn {version()}\n")
    assert f"Commands: {', '.join(['plugins', *plugins.references('commands')])}." in " ".join(printed.split())


def test_without_a_command_the_usage_is_shown(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main([])
    assert "COMMAND" in capsys.readouterr().err
