"""What the documents say is true: commands exist, code runs, packages and hooks are listed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import pronghorn
from pronghorn import plugins

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def code_blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_commands_are_defined(text: str) -> None:
    environments = tomllib.loads((ROOT / "hatch.toml").read_text(encoding="utf-8"))["envs"]
    for command in re.findall(r"hatch run ([\w:]+)", text):
        environment, _, script = command.rpartition(":")
        assert script in environments[environment or "default"]["scripts"], command


def test_the_first_example_of_the_readme_trains(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it stands, but for the size of the data."""
    (x, y), test = pronghorn.datasets.mnist.load_data()
    monkeypatch.setattr(pronghorn.datasets.mnist, "load_data", lambda: ((x[:2000], y[:2000]), test))
    exec(compile(code_blocks(README, "python")[0], "README.md", "exec"), {})
    last = [line for line in capsys.readouterr().out.splitlines() if "accuracy:" in line][-1]
    assert float(re.search(r"accuracy: ([\d.]+)", last)[1]) > 0.85  # type: ignore[index]


def test_every_package_is_in_the_table() -> None:
    listed = set(re.findall(r"`packages/(\w+)`", README))
    assert listed == {path.parent.name for path in ROOT.glob("packages/*/pyproject.toml")} - {"pronghorn"}


def test_every_kind_of_plugin_is_described() -> None:
    assert all(description.strip() for description in plugins.KINDS.values())


def test_the_example_plugin_describes_each_of_its_files() -> None:
    folder = ROOT / "examples" / "pronghorn-swish"
    text = (folder / "README.md").read_text(encoding="utf-8")
    for path in folder.glob("src/*/[a-z]*.py"):
        assert f"`{path.name}`" in text
