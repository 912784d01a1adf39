"""The door through which layers, optimizers, data sets, devices … come in: ours and everybody's.

A plugin is an entry point of the group `pronghorn` that names a module. The module's hooks answer with
*references* ("module:attribute", or "module"), never with the objects, so to list everything that is
installed imports nothing heavy:

    from pronghorn import hookimpl

    @hookimpl
    def pronghorn_layers():
        return {"Swish": "pronghorn_swish:Swish"}

Plugins are looked for at the first use of a name, not at import. `PRONGHORN_DISABLE_PLUGINS` is a
comma-separated list of plugins or distributions to leave out, or `all-third-party`.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pluggy

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

hookspec = pluggy.HookspecMarker("pronghorn")
hookimpl = pluggy.HookimplMarker("pronghorn")

KINDS = {
    "layers": "Layer name -> a `Layer` class, or a function that makes a layer.",
    "activations": "Activation name -> a function of one tensor.",
    "initializers": "Initializer name -> an `Initializer` class.",
    "regularizers": "Regularizer name -> a `Regularizer` class.",
    "constraints": "Constraint name -> a `Constraint` class.",
    "dtype_policies": "Policy name -> a `DTypePolicy` class.",
    "optimizers": "Optimizer name -> an `Optimizer` class.",
    "schedules": "Learning-rate schedule name -> a `LearningRateSchedule` class.",
    "losses": "Loss name -> a `Loss` class, or a function of (y_true, y_pred).",
    "metrics": "Metric name -> a `Metric` class, or a function of (y_true, y_pred).",
    "callbacks": "Callback name -> a `Callback` class.",
    "datasets": "Data set name -> a module with `load_data`.",
    "utils": "Helper name -> a function or class.",
    "serializables": '"module>name" ("keras.utils>FeatureSpace") -> a class that files name so, of none of the kinds.',
    "ops": "Op name -> an `Op`, or a function composed of ops.",
    "formats": "Ending of file names -> a module with some of `recognizes(file)`, `load_model(file, compile)`, "
    "`save_model(model, path)`, `load_weights(model, file, skip_mismatch)` and `save_weights(model, path)`.",
    "commands": "Command of `python -m pronghorn` -> a function of its arguments, a list of strings.",
    "accelerators": 'Device name ("cpu", "gpu") -> an `Accelerator` class.',
    "kernels": '"device/op" ("cpu/swish") -> the kernel of that op on that device.',
}
"""Every kind of contribution, and what its hook `pronghorn_<kind>` maps to what."""

OWN_DISTRIBUTIONS = frozenset(
    f"pronghorn-{name}"
    for name in "callbacks core cpu datasets formats gpu layers objectives ops optimizers utils".split()
)


class PluginWarning(UserWarning):
    """A plugin cannot be used; everything else works."""


class UnknownName(KeyError):
    """Nothing installed has this name."""

    def __str__(self) -> str:
        return str(self.args[0])


class UnavailableName(ImportError):
    """The name is known but cannot be had: not installed, broken, or offered twice.

    An ImportError, since `from module import name` hides the message of an AttributeError behind its own.
    """


@dataclass(frozen=True)
class Reference:
    """Where a contribution is: `target` ("module:attribute" or "module"), offered by distribution `dist`."""

    dist: str
    target: str

    def load(self) -> Any:
        """Imports the module and returns the object; raises UnavailableName, which names the distribution."""
        module, _, attribute = self.target.partition(":")
        try:
            found: Any = importlib.import_module(module)
            return getattr(found, attribute) if attribute else found
        except (ImportError, AttributeError) as error:
            message = f"{self.dist} offers {self.target!r}, which cannot be loaded: {error}"
            raise UnavailableName(message) from error


@dataclass(frozen=True)
class PluginInfo:
    """What is known of one plugin."""

    name: str
    dist: str
    version: str
    state: Literal["active", "disabled", "broken"]
    contributions: Mapping[str, Mapping[str, str]]
    """Kind -> name -> target; empty unless active."""
    error: str = ""


_lock = threading.RLock()
_plugins: list[PluginInfo] | None = None
_references: dict[tuple[str, int], dict[str, Reference]] = {}
"""What `references` found, by kind and number of plugins examined."""
_shown: list[tuple[str, str]] = []
"""Module and name of everything that facades have loaded."""


def status() -> list[PluginInfo]:
    """Every plugin there is: active, disabled or broken. The first call looks for them."""
    global _plugins
    with _lock:
        if _plugins is not None:
            return _plugins
        _plugins = found = []
        for plugin in _discover():
            found.append(plugin)  # a plugin that uses a layer while it is examined sees those before it: ours
    for plugin in found:
        if plugin.state == "broken":
            message = f"plugin {plugin.name!r} of {plugin.dist} is broken: {plugin.error}"
            warnings.warn(message, PluginWarning, stacklevel=2)
    return found


def refresh() -> None:
    """Forgets what was found, so that a distribution installed meanwhile is seen at the next use."""
    global _plugins
    with _lock:
        _plugins = None
        _references.clear()
        while _shown:
            module, name = _shown.pop()
            vars(sys.modules[module]).pop(name, None)
        importlib.invalidate_caches()


def references(kind: str) -> dict[str, Reference]:
    """Name -> reference of every installed contribution of a kind; nothing is imported.

    A name that two distributions offer is there as "distribution:name", once for each.
    """
    if kind not in KINDS:
        raise UnknownName(f"there is no kind of plugin called {kind!r}; there are: {', '.join(KINDS)}")
    plugins = status()
    if (kept := _references.get((kind, len(plugins)))) is not None:
        return kept
    offers: dict[str, list[Reference]] = {}
    for plugin in plugins:
        for name, target in plugin.contributions.get(kind, {}).items():
            offers.setdefault(name, []).append(Reference(plugin.dist, target))
    found: dict[str, Reference] = {}
    for name, rivals in offers.items():
        if len(rivals) == 1:
            found[name] = rivals[0]
        else:
            found |= {f"{rival.dist}:{name}": rival for rival in rivals}
    _references[kind, len(plugins)] = found
    return found


def load(kind: str, name: str) -> Any:
    """The object behind `name`, or behind "distribution:name".

    Raises UnknownName (a KeyError) with the nearest names, or UnavailableName (an ImportError) that says
    what to do.
    """
    return find(kind, name).load()


def attribute(kind: str, module: str, name: str) -> Any:
    """What is offered as "module.name", for the `__getattr__` of a module that the engine has itself."""
    try:
        return load(kind, f"{module}.{name}")
    except UnknownName:
        raise AttributeError(f"module 'pronghorn.{module}' has no attribute {name!r}") from None


def facade(
    module: str, kind: str, core: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a module that shows everything installed of one kind, by name.

    `core` are the names that the engine itself has: module -> names, separated by blanks.
    """
    own = {
        name: Reference("pronghorn-core", f"{source}:{name}")
        for source, names in (core or {}).items()
        for name in names.split()
    }

    def get_attribute(name: str) -> Any:
        if name == "__all__":  # what `from module import *` takes
            return dir(sys.modules[module])
        if name.startswith("_"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        try:
            reference = own.get(name) or find(kind, name, tuple(own))
        except UnknownName as error:
            raise AttributeError(str(error)) from None
        found = reference.load()
        setattr(sys.modules[module], name, found)
        _shown.append((module, name))
        return found

    def directory() -> list[str]:
        functions = vars(sys.modules[module]).keys() & {"deserialize", "get", "schedules", "serialize"}
        return sorted({*own, *functions, *filter(str.isidentifier, references(kind))})

    return get_attribute, directory


def _discover() -> Iterator[PluginInfo]:
    """Examines every entry point, our own first."""
    from importlib.metadata import entry_points  # costs 30 ms, which `import pronghorn` shall not pay

    manager = pluggy.PluginManager("pronghorn")
    manager.add_hookspecs(_specifications())
    disabled = {name.strip() for name in os.environ.get("PRONGHORN_DISABLE_PLUGINS", "").split(",")}
    entries = [(*_origin(entry), entry) for entry in entry_points(group="pronghorn")]
    for dist, version, entry in sorted(entries, key=lambda found: (found[0] not in OWN_DISTRIBUTIONS, found[0])):
        yield _examine(entry, dist, version, manager, disabled)


def _origin(entry: EntryPoint) -> tuple[str, str]:
    """Name and version of the distribution; `EntryPoint.dist.name` would parse the whole README for them."""
    head = (entry.dist and entry.dist.read_text("METADATA")) or ""
    name, version = (re.search(rf"^{key}: *(\S+)", head, re.MULTILINE) for key in ("Name", "Version"))
    return name[1] if name else "unknown", version[1] if version else "unknown"


def _specifications() -> type:
    """The hook specifications: for each kind the hook `pronghorn_<kind>`, all of one form."""

    def specification(kind: str) -> Callable[[], Mapping[str, str]]:
        def hook() -> Mapping[str, str]:
            raise NotImplementedError

        hook.__doc__ = KINDS[kind]
        return hookspec(hook)

    return type("Hooks", (), {f"pronghorn_{kind}": staticmethod(specification(kind)) for kind in KINDS})


def _examine(
    entry: EntryPoint, dist: str, version: str, manager: pluggy.PluginManager, disabled: set[str]
) -> PluginInfo:
    """Loads one plugin and asks its hooks; whatever goes wrong stays with it."""
    own = dist in OWN_DISTRIBUTIONS
    if disabled & {entry.name, dist} or ("all-third-party" in disabled and not own):
        return PluginInfo(entry.name, dist, version, "disabled", {})
    try:
        contributions = _contributions(entry.load(), f"{dist}:{entry.name}", manager)
        if not own:
            _check_names(contributions)
    except (Exception, SystemExit) as error:
        return PluginInfo(entry.name, dist, version, "broken", {}, f"{type(error).__name__}: {error}")
    return PluginInfo(entry.name, dist, version, "active", contributions)


def _contributions(plugin: object, name: str, manager: pluggy.PluginManager) -> dict[str, Mapping[str, str]]:
    """Kind -> what the plugin offers, checked."""
    manager.register(plugin, name)
    try:
        manager.check_pending()  # a misspelt hook
        hooks = [
            (caller.name.removeprefix("pronghorn_"), hook.function)
            for caller in manager.get_hookcallers(plugin) or ()
            for hook in caller.get_hookimpls()
        ]
    finally:
        manager.unregister(plugin)
    if not hooks:
        raise ValueError("it has no hook; decorate its functions with pronghorn.hookimpl")
    offered: dict[str, Mapping[str, str]] = {}
    for kind, hook in hooks:
        answer: object = hook()
        if not isinstance(answer, Mapping):
            raise TypeError(f"pronghorn_{kind} must return a mapping of names to references, not {answer!r}")
        for key, target in answer.items():
            if not (isinstance(key, str) and isinstance(target, str) and re.fullmatch(r"[\w.]+(:\w+)?", target)):
                pair = f"{key!r}: {target!r}"
                raise ValueError(f'pronghorn_{kind} must map names to "module:attribute"; it has {pair}')
        offered[kind] = answer
    return offered


def _check_names(contributions: Mapping[str, Mapping[str, str]]) -> None:
    """A third party may not offer a name of Keras's API: code that uses it must mean the same everywhere."""
    for kind, offered in contributions.items():
        reserved = frozenset[str]().union(*_own_names(kind).values())
        if taken := sorted(offered.keys() & reserved):
            raise ValueError(f"it offers {', '.join(taken)} among its {kind}; these names belong to Pronghorn")


@cache
def _own_names(kind: str) -> dict[str, frozenset[str]]:
    """Distribution of ours -> names of a kind that belong to it."""
    text = Path(__file__).with_name("own_names.txt").read_text(encoding="utf-8")
    sections = re.findall(rf"^\[{kind} ([\w-]+)\]\n([^\[]*)", text, re.MULTILINE)
    return {distribution: frozenset(names.split()) for distribution, names in sections}


def find(kind: str, name: str, others: tuple[str, ...] = ()) -> Reference:
    """The reference of `name`, or of "distribution:name"; failing that an error that knows of `others` as well."""
    known = references(kind)
    if name in known:
        return known[name]
    dist, _, plain = name.rpartition(":")
    if dist and plain in known and known[plain].dist == dist:
        return known[plain]
    if rivals := [repr(key) for key in known if key.endswith(f":{name}")]:
        calls = " or ".join(f"pronghorn.plugins.load({kind!r}, {rival})" for rival in rivals)
        raise UnavailableName(f"{name!r} is offered by {len(rivals)} distributions; say which: {calls}")
    for owner, names in _own_names(kind).items():
        plugin = next((plugin for plugin in status() if plugin.dist == owner), None)
        if name in names and plugin is None:
            raise UnavailableName(f"{name!r} is in {owner}, which is not installed: pip install {owner}")
        if name in names and plugin is not None and plugin.state != "active":
            raise UnavailableName(f"{name!r} is in {owner}, which is {plugin.state}. {plugin.error}".rstrip())
    raise UnknownName(f"no installed distribution has {name!r} among its {kind}; {_hint(kind, name, others)}")


def _hint(kind: str, name: str, others: tuple[str, ...]) -> str:
    """What the person may have meant."""
    from difflib import get_close_matches

    if elsewhere := [other for other in KINDS if name in references(other)]:
        return f"it is among the {' and the '.join(elsewhere)}"
    known = sorted(key for key in {*references(kind), *others} if "." not in key)
    lower = {candidate.lower(): candidate for candidate in known}
    if close := get_close_matches(name.lower(), lower, n=3):
        return f"did you mean {' or '.join(repr(lower[match]) for match in close)}?"
    if len(known) > 20:
        return f"there are {len(known)}, among them {', '.join(known[:20])}"
    return f"there are: {', '.join(known)}" if known else "there are none"
