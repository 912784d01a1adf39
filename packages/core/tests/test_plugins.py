"""The plugin door: what is found, what breaks alone, what an error says. The distributions are made up."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import textwrap
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pronghorn import plugins
from pronghorn.functional import Input
from pronghorn.plugins import PluginWarning, UnavailableName, UnknownName
from pronghorn.saving import ModelFileError, load_model
from pronghorn.sequential import Sequential

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """install("my-dist", "source of its module") makes a distribution with the entry point "my_dist"."""
    monkeypatch.syspath_prepend(str(tmp_path))
    modules = []

    def install(dist: str, source: str, version: str = "1.2") -> None:
        module = dist.replace("-", "_")
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[pronghorn]\n{module} = {module}\n")
        (tmp_path / f"{module}.py").write_text(f"from pronghorn.plugins import hookimpl\n{source}")
        modules.append(module)
        plugins.refresh()

    plugins.refresh()
    yield install
    for module in modules:
        sys.modules.pop(module, None)
    monkeypatch.undo()
    plugins.refresh()


def offering(kind: str, **targets: str) -> str:
    """The source of a plugin with one hook."""
    return f"@hookimpl\ndef pronghorn_{kind}():\n    return {targets}\n"


def state_of(dist: str) -> plugins.PluginInfo:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        return next(plugin for plugin in plugins.status() if plugin.dist == dist)


@pytest.fixture
def layers() -> ModuleType:
    return importlib.import_module("pronghorn.layers")


# ---------------------------------------------------------------------------------------------- what is found


def test_an_installed_layer_is_in_the_facade(install, layers):
    install("acme-layers", offering("layers", Rocket="acme_layers:Rocket") + "class Rocket: pass\n")
    assert "Rocket" in dir(layers)
    assert layers.Rocket.__module__ == "acme_layers"
    assert plugins.load("layers", "acme-layers:Rocket") is plugins.load("layers", "Rocket") is layers.Rocket
    info = state_of("acme-layers")
    assert (info.name, info.version, info.state) == ("acme_layers", "1.2", "active")
    assert info.contributions == {"layers": {"Rocket": "acme_layers:Rocket"}}


def test_a_star_import_takes_every_public_name(install):
    install("acme-layers", offering("layers", Rocket="acme_layers:Rocket") + "class Rocket: pass\n")
    for module in ("layers", "initializers", "ops", "optimizers"):
        names: dict[str, object] = {}
        exec(f"from pronghorn.{module} import *", names)
        del names["__builtins__"]
        facade = importlib.import_module(f"pronghorn.{module}")
        assert names.keys() == set(facade.__all__)
        assert not any(name.startswith("_") for name in names)
        assert module != "layers" or {"Input", "Layer", "Rocket", "deserialize", "serialize"} <= names.keys()
        assert module != "optimizers" or {"Optimizer", "get", "schedules"} <= names.keys()


def test_listing_loads_no_object(install):
    install("acme-layers", offering("layers", Rocket="acme_engine_that_cannot_be_imported:Rocket"))
    assert plugins.references("layers")["Rocket"].dist == "acme-layers"
    with pytest.raises(UnavailableName, match="acme-layers offers.*acme_engine_that_cannot_be_imported"):
        plugins.load("layers", "Rocket")


def test_a_reference_may_be_a_module(install):
    install("acme-data", offering("datasets", acme="acme_data") + "def load_data(): return 3\n")
    assert plugins.load("datasets", "acme").load_data() == 3


def test_a_plugin_may_use_layers_of_ours_at_import(install):
    """Our own plugins are examined first, and looking names up meanwhile does not begin the search again."""
    source = "from pronghorn import plugins\nSEEN = [plugin.dist for plugin in plugins.status()]\n"
    install("acme-layers", source + offering("layers", Rocket="acme_layers:Rocket"))
    assert state_of("acme-layers").state == "active"
    assert set(sys.modules["acme_layers"].SEEN) <= plugins.OWN_DISTRIBUTIONS


def test_import_finds_nothing_and_the_search_imports_no_more_than_plugin_modules():
    code = """
        import sys, pronghorn
        from pronghorn import plugins
        assert plugins._plugins is None, "looked for plugins at import"
        assert not [name for name in sys.modules if name.startswith("pronghorn_")]
        plugins.status()
        extra = [
            name for name in sys.modules
            if name.startswith("pronghorn_") and not name.endswith(".plugin") and "." in name
        ]
        assert not extra, extra
        assert not {"numba", "h5py", "matplotlib"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


# --------------------------------------------------------------------------------------------- what is broken


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import acme_missing_dependency", "No module named 'acme_missing_dependency'"),
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("x = 1", "no hook"),
        ("@hookimpl\ndef pronghorn_layer(): return {}", "unknown hook 'pronghorn_layer'"),
        ("@hookimpl\ndef pronghorn_layers(units): return {}", "units"),
        ("@hookimpl\ndef pronghorn_layers(): return ['Rocket']", "must return a mapping"),
        ("@hookimpl\ndef pronghorn_layers(): return {'Rocket': 3}", '"module:attribute".*Rocket.*3'),
        ("@hookimpl\ndef pronghorn_layers(): return {'Rocket': 'rm -rf'}", "rm -rf"),
        ("@hookimpl\ndef pronghorn_layers(): 1 / 0", "ZeroDivisionError"),
        (
            offering("layers", Dense="acme_broken:Dense"),
            "it offers Dense among its layers; .*belong to Pronghorn",
        ),
        (offering("ops", relu="acme_broken:relu"), "it offers relu"),
        (offering("accelerators", cpu="acme_broken:Cpu"), "it offers cpu"),
    ],
)
def test_a_broken_plugin_is_named_and_the_others_work(install, source, reason):
    install("acme-layers", offering("layers", Rocket="acme_layers:Rocket"))
    install("acme-broken", source)
    with pytest.warns(PluginWarning, match=f"(?s)'acme_broken' of acme-broken is broken: .*{reason}"):
        plugins.status()
    assert state_of("acme-broken").state == "broken"
    assert state_of("acme-broken").contributions == {}
    assert "Rocket" in plugins.references("layers")


def test_after_a_refresh_names_are_looked_up_anew(install, layers):
    install("acme-layers", offering("layers", Rocket="acme_layers:Rocket") + "class Rocket: pass\n")
    assert layers.Rocket
    install("bolt-layers", offering("layers", Rocket="bolt_layers:Rocket"))
    with pytest.raises(UnavailableName, match="2 distributions"):
        layers.Rocket  # noqa: B018


def test_a_broken_plugin_is_warned_of_once(install):
    install("acme-broken", "1 / 0")
    with pytest.warns(PluginWarning) as caught:
        plugins.status()
        plugins.references("layers")
    assert len(caught) == 1


def test_two_third_parties_with_one_name_fail_only_at_its_use(install, layers):
    for dist in ("acme-layers", "bolt-layers"):
        module = dist.replace("-", "_")
        source = offering("layers", Rocket=f"{module}:Rocket", **{f"Only{module[:4]}": f"{module}:Rocket"})
        install(dist, source + "class Rocket: pass\n")
    assert layers.Onlyacme.__module__ == "acme_layers"
    with pytest.raises(ImportError, match="2 distributions.*'acme-layers:Rocket'.*'bolt-layers:Rocket'"):
        from pronghorn.layers import Rocket  # noqa: F401
    assert plugins.load("layers", "bolt-layers:Rocket").__module__ == "bolt_layers"
    assert "Rocket" not in dir(layers)


@pytest.mark.parametrize("setting", ["acme_layers", "acme-layers", "other, acme-layers", "all-third-party"])
def test_plugins_are_disabled_by_name_or_all_at_once(install, monkeypatch, setting):
    monkeypatch.setenv("PRONGHORN_DISABLE_PLUGINS", setting)
    install("acme-layers", "raise RuntimeError('imported')")
    assert state_of("acme-layers").state == "disabled"
    assert all(plugin.state == "active" for plugin in plugins.status() if plugin.dist != "acme-layers")


# ----------------------------------------------------------------------------------------- what an error says


@pytest.fixture
def lone_core(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if core alone were installed."""
    monkeypatch.setattr(importlib.import_module("importlib.metadata"), "entry_points", lambda group: ())
    plugins.refresh()
    yield
    monkeypatch.undo()
    plugins.refresh()


def test_a_name_of_keras_says_which_distribution_has_it(lone_core, layers):
    with pytest.raises(ImportError, match="'Dense' is in pronghorn-layers.*pip install pronghorn-layers"):
        from pronghorn.layers import Dense  # noqa: F401
    with pytest.raises(UnavailableName, match="pip install pronghorn-cpu"):
        plugins.load("accelerators", "cpu")


def test_a_disabled_distribution_of_ours_is_told_from_a_missing_one(install, monkeypatch):
    monkeypatch.setenv("PRONGHORN_DISABLE_PLUGINS", "pronghorn-layers")
    install("pronghorn-layers", offering("layers", Dense="pronghorn_layers.dense:Dense"))
    with pytest.raises(UnavailableName, match="pronghorn-layers, which is disabled"):
        plugins.load("layers", "Dense")


def test_a_misspelt_name_brings_the_nearest(install, layers):
    install("acme-layers", offering("layers", Rocket="acme_layers:Rocket"))
    with pytest.raises(AttributeError, match="'rokket' among its layers; did you mean 'Rocket'"):
        layers.rokket  # noqa: B018
    assert not hasattr(layers, "Rokket")
    with pytest.raises(UnknownName, match="did you mean"):
        plugins.load("layers", "Rokket")


def test_a_name_of_another_kind_says_so(install, layers):
    install("acme-train", offering("optimizers", Hill="acme_train:Hill"))
    with pytest.raises(AttributeError, match="'Hill' among its layers; it is among the optimizers"):
        layers.Hill  # noqa: B018


def test_an_unknown_kind_says_which_there_are():
    with pytest.raises(UnknownName, match="'layer'; there are: layers, activations"):
        plugins.load("layer", "Dense")


def test_private_names_start_no_search(monkeypatch, layers):
    monkeypatch.setattr(plugins, "status", lambda: pytest.fail("looked for plugins"))
    assert not hasattr(layers, "__wrapped__")


def test_a_file_says_which_version_of_a_plugin_it_wants(install: Install, layers: ModuleType, tmp_path: Path) -> None:
    source = "from pronghorn.testing.layers import Affine\nclass Swash(Affine):\n    pass\n"
    install("pronghorn-swash", source + offering("layers", Swash="pronghorn_swash:Swash"), "1.2.post3")
    layer = layers.Swash(2)
    Sequential([Input((3,)), layer]).save(tmp_path / "m.keras")
    load_model(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert json.loads(archive.read("metadata.json"))["distributions"] == {"pronghorn-swash": "1.2.post3"}
    next(tmp_path.glob("*.dist-info/entry_points.txt")).unlink()
    plugins.refresh()
    with pytest.raises(ModelFileError, match=r"unknown class 'Swash'.*: pip install pronghorn-swash==1\.2\.post3, if"):
        load_model(tmp_path / "m.keras")
