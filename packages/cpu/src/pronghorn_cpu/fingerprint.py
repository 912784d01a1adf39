"""What a kernel's machine code depends on, as a key: change any of it and the key changes."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import sys
from pathlib import Path

import llvmlite

from pronghorn_cpu import object_code

_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<module>[\w.]+)[ \t]+import[ \t]*(?P<names>\([^)]*\)|.*)"
    r"|import[ \t]+(?P<modules>.*))",
    re.MULTILINE,
)
# Their version stands for their text.
_VERSIONED = frozenset({"numba", "numpy", "llvmlite"})


def key(source: str) -> str:
    """A hash of the kernel's ``source``, of the text of every module it imports, directly or through others,
    of the compiler's version and settings, and of the processor."""
    digest = hashlib.sha256(_environment())
    digest.update(source.encode())
    for module in sorted(_reachable(source)):
        digest.update(f"\0{module}\0{_text(module)}".encode())
    return digest.hexdigest()


@functools.cache
def _environment() -> bytes:
    settings = sorted(item for item in os.environ.items() if item[0].startswith("NUMBA_"))
    versions = importlib.metadata.version("numba"), llvmlite.__version__, sys.implementation.cache_tag
    return repr((versions, object_code.host(), settings)).encode()


def _reachable(source: str) -> set[str]:
    found: set[str] = set()
    waiting = list(_imports(source, None))
    while waiting:
        module = waiting.pop()
        if module not in found and _text(module):
            found.add(module)
            waiting.extend(_imports_of(module))
    return found


@functools.cache
def _imports_of(module: str) -> frozenset[str]:
    return _imports(_text(module), module if _is_package(module) else module.rpartition(".")[0])


def _imports(text: str, package: str | None) -> frozenset[str]:
    """The modules that ``text`` may import (a name imported from a package may be a module of it)."""
    modules: set[str] = set()
    for match in _IMPORT.finditer(text):
        if match["modules"] is not None:
            modules.update(_names(match["modules"]))
        elif package or not match["module"].startswith("."):
            module = importlib.util.resolve_name(match["module"], package)
            modules.add(module)
            modules.update(f"{module}.{name}" for name in _names(match["names"]))
    return frozenset(modules)


def _names(text: str) -> list[str]:
    """``a`` and ``b.c`` of "(a as x, b.c)  # comment"."""
    items = re.sub(r"#.*", "", text).strip().strip("()").split(",")
    return [item.split()[0] for item in items if item.split()]


@functools.cache
def _text(module: str) -> str:
    """The source text of a module; empty for what is no module, or needs no following."""
    origin = _origin(module)
    return origin.read_text(encoding="utf-8") if origin else ""


@functools.cache
def _origin(module: str) -> Path | None:
    top, parent = module.partition(".")[0], module.rpartition(".")[0]
    if top in sys.stdlib_module_names or top in _VERSIONED:
        return None
    if parent and not _is_package(parent):  # find_spec would import the parent to find out
        return None
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, AttributeError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _is_package(module: str) -> bool:
    origin = _origin(module)
    return origin is not None and origin.name == "__init__.py"
