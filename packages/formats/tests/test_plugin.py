"""What the distribution offers can be had."""

from __future__ import annotations

from pronghorn import plugins


def test_the_plugin_works_and_every_name_it_offers_leads_somewhere():
    plugin = next(plugin for plugin in plugins.status() if plugin.dist == "pronghorn-formats")
    assert plugin.state == "active"
    for kind, names in plugin.contributions.items():
        for name in names:
            assert plugins.load(kind, f"{plugin.dist}:{name}") is not None
