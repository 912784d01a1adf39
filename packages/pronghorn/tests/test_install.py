"""`pip install pronghorn` gives everything, and owns no code itself."""

from __future__ import annotations

import re
from importlib.metadata import distribution, requires, version

import pytest

from pronghorn import plugins

PARTS = [re.match(r"[\w-]+", part)[0] for part in requires("pronghorn") or () if "extra" not in part]


def test_it_requires_every_distribution_of_ours_but_the_gpu():
    assert set(PARTS) == plugins.OWN_DISTRIBUTIONS - {"pronghorn-gpu"}


@pytest.mark.parametrize("part", PARTS)
def test_each_is_installed_in_the_same_version_and_its_plugin_works(part: str):
    assert version(part) == version("pronghorn")
    if part != "pronghorn-core":
        assert [plugin.state for plugin in plugins.status() if plugin.dist == part] == ["active"]


def test_it_has_no_module():
    """The module `pronghorn` is pronghorn-core's; in two distributions, removing one breaks the other."""
    files = [str(file) for file in distribution("pronghorn").files or ()]
    assert files and all(".dist-info/" in file or file.endswith(".pth") for file in files)
