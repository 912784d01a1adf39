"""Files that layers keep beside their weights, such as vocabularies.

Pronghorn's own layers give and take them as bytes (`save_own_assets`, `load_own_assets`), so that no file is opened. A
layer written for Keras may have `save_assets(dir_path)` and `load_assets(dir_path)`: it gets a folder that lives as
long as the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pronghorn.saving.weights import paths


def save_assets(model: Any) -> dict[str, bytes]:
    """The files of all layers, by path of the layer and name."""
    return {
        f"{path}/{name}".lstrip("/"): data for item, path in paths(model).items() for name, data in _saved(item).items()
    }


def _saved(item: Any) -> Mapping[str, bytes]:
    if hasattr(item, "save_own_assets"):
        return item.save_own_assets()  # type: ignore[no-any-return]
    if not hasattr(item, "save_assets"):
        return {}
    with TemporaryDirectory() as folder:
        item.save_assets(folder)
        files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def load_assets(model: Any, files: Mapping[str, bytes]) -> None:
    """Gives each layer its files; their names are those that an archive may have."""
    folders = {name.rpartition("/")[0] for name in files}
    for item, path in paths(model, folders).items():
        start = f"{path}/".lstrip("/")
        own = {name.removeprefix(start): data for name, data in files.items() if name.startswith(start)}
        if hasattr(item, "load_own_assets"):
            item.load_own_assets(own)
        elif hasattr(item, "load_assets") and own:
            with TemporaryDirectory() as folder:
                for name, data in own.items():
                    target = Path(folder, name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(data)
                item.load_assets(folder)
