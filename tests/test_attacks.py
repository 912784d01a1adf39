"""The known attacks on model files, one by one: refused, and nothing is run, imported, opened or changed.

The numbers are those of a list of published attacks on Keras's files, most of which have a CVE number.
"""

from __future__ import annotations

import base64
import copy
import io
import json
import marshal
import os
import pickle
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import pronghorn as keras
from pronghorn import plugins
from pronghorn.saving.registry import KERAS_MODULES

HERE = Path(__file__).parent
Config = dict[str, Any]
Case = dict[str, Any]

CODE = base64.b64encode(marshal.dumps(compile("__import__('os').system('touch pwned')", "x", "eval"))).decode()
LAMBDA = {"class_name": "__lambda__", "config": {"code": CODE, "defaults": None, "closure": None}}


class Evil:
    """Runs a command where it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch pwned",)


# ------------------------------------------------------------------------------------------------ building files


def called(module: Any, name: Any, config: Any = None, **fields: Any) -> Config:
    return {"module": module, "class_name": name, "config": config or {}, "registered_name": None, **fields}


def layer(**fields: Any) -> Callable[[Config], Any]:
    """The config with fields of the layer's entry replaced."""
    return lambda config: config["config"]["layers"][1].update(fields)


def argument(value: Any, name: str = "activation") -> Callable[[Config], Any]:
    """The config with an argument of the layer replaced."""
    return lambda config: config["config"]["layers"][1]["config"].update({name: value})


def nested(value: Any, depth: int) -> Any:
    return value if not depth else {"deep": [nested(value, depth - 1)]}


def stray(entry: Config) -> Callable[[Config], Any]:
    """The config with a node that leads nowhere."""
    return lambda config: config["config"]["layers"].append(
        {**entry, "name": "stray", "inbound_nodes": [{"args": [], "kwargs": {}}]}
    )


def tar(*members: tuple[str, bytes | str, bytes]) -> bytes:
    """A tar of members: name, link target or content, type."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if isinstance(content, str):
                info.linkname = content
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content if isinstance(content, bytes) else b""))
    return file.getvalue()


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name
            info.compress_type = compression
            archive.writestr(info, data)
    return file.getvalue()


def hdf5(fill: Callable[[h5py.File], Any]) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        fill(root)
    return file.getvalue()


def virtual(root: h5py.File) -> None:
    layout = h5py.VirtualLayout((4, 2), "f4")
    layout[:] = h5py.VirtualSource("victim.h5", "secret", shape=(4, 2))
    root.create_virtual_dataset("layers/dense/vars/0", layout)


def linked(link: Any, *path: str) -> Callable[[h5py.File], Any]:
    """A file with a link at the end of a path."""
    return lambda root: (root.create_group("/".join(path[:-1])) if path[1:] else root).update({path[-1]: link})


FILE, AREG, SYM, LINK = b"content", tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
LONG = "/".join(["d" * 200] * 20)


def public_names() -> Iterator[tuple[str, str]]:
    """Modules and names of everything in the public API but what a file may name as a class."""
    classes = {name for kind in KERAS_MODULES for name in plugins.references(kind)}
    for module in ("saving", "utils", "config", "models", "datasets", "callbacks", "ops", "backend", "random"):
        for name in dir(getattr(keras, module)):
            if not name.startswith("_") and name not in classes:
                yield f"keras.{module}", name


def configs() -> Iterator[tuple[int, str, Callable[[Config], Any]]]:
    """Number, name and change of the config of each attack through a config."""
    lambda_layer = called("keras.layers", "Lambda", {"name": "evil", "function": LAMBDA})
    yield 4, "a Lambda layer", layer(**lambda_layer)
    yield 4, "a lambda as an activation", argument(LAMBDA)
    yield 4, "a Lambda of Keras 2", layer(**called("keras.layers", "Lambda", {"function": [CODE, None, None]}))
    for depth in (0, 3):
        yield 6, f"os.system {depth}", argument(nested(called("os", "system", {"command": "touch pwned"}), depth))
        yield 6, f"eval {depth}", argument(nested(called("builtins", "eval", {"source": "1"}), depth))
    yield 6, "a module nobody imported", layer(**called("antigravity", "Anything"))
    for module, name in public_names():
        gadget = called(module, name, {"x": 1}, registered_name=name)
        yield 7, f"{module}.{name}", argument(gadget, "kernel_initializer")
    for name in ("enable_unsafe_deserialization", "set_floatx", "set_dtype_policy", "set_backend"):
        yield 8, f"the switch {name}", argument(called("keras.config", name, {"value": "float16"}))
    attribute = called("keras.src.backend.common.global_state", "set_global_attribute", {"name": "safe_mode_saving"})
    yield 8, "a global attribute", argument(attribute)
    yield 10, "TorchModuleWrapper", layer(**called("keras.layers", "TorchModuleWrapper", {"module": CODE}))
    yield 10, "FlaxLayer", layer(**called("keras.layers", "FlaxLayer", {"module": CODE}))
    for kind in ("StringLookup", "IntegerLookup", "TextVectorization"):
        for path in ("secret.txt", "/etc/passwd", "http://127.0.0.1:9/secret", "file:///etc/passwd"):
            yield 11, f"{kind} of {path}", layer(**called("keras.layers", kind, {"vocabulary": path}))
    for units in (2**28, 2**40, 10**30):
        yield 13, f"{units} units", argument(units, "units")
    yield 16, "TFSMLayer", layer(**called("keras.layers", "TFSMLayer", {"filepath": "/etc"}))
    for name in ("..", ".", "", "../../evil", "/etc/evil", "a\\b", "a\0b"):
        yield 17, f"a layer called {name!r}", argument(name, "name")
    yield 23, "Dense of somebody else", layer(registered_name="somebody>Dense")
    yield 23, "a model of somebody else", lambda config: config.update(registered_name="somebody>Functional")
    for value in ("text", 5, None, [1], [["a"]], True):
        yield 24, f"a config {value!r}", layer(config=value)
        yield 24, f"layers {value!r}", lambda config, value=value: config["config"].update(layers=value)
    for module, name in (("keras.config", "set_dtype_policy"), ("keras.datasets.mnist", "load_data")):
        yield 26, f"a stray {name}", stray(called(module, name))
        yield 26, f"a stray {name} among the ops", stray(called("keras.src.ops.numpy", name, registered_name=name))
        function = {"module": module, "class_name": "function", "config": name, "registered_name": name}
        yield 26, f"a stray function {name}", stray(function)


def weights() -> Iterator[tuple[int, str, Callable[[h5py.File], Any]]]:
    """Likewise through the weights."""
    place = "layers/dense/vars"
    huge = {"shape": (2**25, 2**25), "dtype": "f4", "chunks": (8, 8)}
    yield 13, "petabytes", lambda root: root.create_dataset(f"{place}/0", **huge)
    yield 13, "petabytes beside", lambda root: root.create_dataset("layers/other/vars/0", **huge)
    yield 13, "packed zeros", lambda root: root.create_dataset(f"{place}/0", (2**28,), "u1", compression="gzip")
    storage = [("/etc/passwd", 0, 32)]
    yield 14, "external storage", lambda root: root.create_dataset(f"{place}/0", (4, 2), "f4", external=storage)
    yield 15, "a virtual dataset", virtual
    for depth in range(4):
        path = [*place.split("/"), "0"][: depth + 1]
        yield 14, f"an external link at {depth}", linked(h5py.ExternalLink("victim.h5", "secret"), *path)
        yield 20, f"a soft link at {depth}", linked(h5py.SoftLink("/somewhere"), *path)


def archives(members: dict[str, bytes]) -> Iterator[tuple[int, str, bytes]]:
    """Likewise through the archive."""
    zeros = bytes(2**27)
    for name in ("config.json", "metadata.json", "model.weights.h5", "pronghorn.json", "assets/a/vocabulary.txt"):
        yield 21, f"a bomb in {name}", zipped({**members, name: zeros}, zipfile.ZIP_DEFLATED)
    many = {f"assets/{i}": b"" for i in range(20_000)}
    yield 21, "twenty thousand members", zipped({**members, **many})
    npz = io.BytesIO()
    np.savez_compressed(npz, a=np.zeros(2**24))
    rest = {name: data for name, data in members.items() if name != "model.weights.h5"}
    yield 21, "a bomb of weights as npz", zipped({**rest, "model.weights.npz": npz.getvalue()})
    yield 25, "pickled weights as npz", zipped({**rest, "model.weights.npz": pickled_npz()})
    for name in ("assets/../../evil", "/etc/evil", "C:\\evil", "assets\\..\\evil", "..", "\\\\host\\share\\evil"):
        yield 28, f"a member {name}", zipped({**members, name: b"x"})
    yield 1, "yaml", zipped({**rest, "config.yaml": b"!!python/object/apply:os.system [touch pwned]"})


def packages() -> Iterator[tuple[int, str, bytes]]:
    """Likewise through archives that are downloaded and extracted."""
    yield 2, "an absolute name", tar(("/tmp/pwned", FILE, AREG))
    for name in ("../pwned", "a/../../pwned", "C:pwned", "C:\\pwned", "\\\\host\\share\\pwned", "..\\pwned", "/pwned"):
        yield 5, f"a tar with {name}", tar(("fine", FILE, AREG), (name, FILE, AREG))
        yield 5, f"a zip with {name}", zipped({"fine": FILE, name: FILE})
    yield 12, "a symbolic link", tar(("link", "/etc/passwd", SYM))
    yield 12, "a hard link", tar(("link", "/etc/passwd", LINK))
    yield 12, "a file through a link", tar(("d", "..", SYM), ("d/pwned", FILE, AREG))
    long = (("l", f"{LONG}/../..", SYM), ("l/pwned", FILE, AREG))
    yield 12, "a file through a long link", tar((LONG, FILE, AREG), *long)
    yield 19, "a folder beside", tar(("../cifar10_poisoned/pwned", FILE, AREG))
    yield 21, "zeros", tar(("zeros", bytes(2**25), AREG))
    yield 22, "a device", tar(("null", "", tarfile.CHRTYPE))
    yield 22, "a pipe", tar(("pipe", "", tarfile.FIFOTYPE))


def pickled_npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, x=np.array([Evil()], object))
    return file.getvalue()


def arrays() -> Iterator[tuple[int, str, str, bytes]]:
    """Likewise through data sets."""
    yield 3, "a batch of CIFAR", "pickled", pickle.dumps({b"data": Evil()}, protocol=2)
    yield 25, "an npz of objects", "npz", pickled_npz()
    packed, header = io.BytesIO(), io.BytesIO()
    np.savez_compressed(packed, x=np.zeros(2**24))
    yield 21, "an npz of zeros", "npz", packed.getvalue()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (2**50,)}
    np.lib.format.write_array_header_1_0(header, shape)
    yield 13, "an npz of petabytes", "npz", zipped({"x.npy": header.getvalue()})


# ------------------------------------------------------------------------------------------------ the cases


def write_cases(folder: Path) -> list[Case]:
    """Writes the files and the list of what to do with each."""
    with h5py.File(folder / "victim.h5", "w") as victim:
        victim["secret"] = np.ones((4, 2), "f4")
    (folder / "secret.txt").write_text("secret")
    x = keras.Input((4,), name="input")
    keras.Model(x, keras.layers.Dense(2, name="dense")(x)).save(folder / "good.keras")
    with zipfile.ZipFile(folder / "good.keras") as archive:
        good = {name: archive.read(name) for name in archive.namelist()}
    members = {
        **good,
        "metadata.json": b'{"keras_version": "3.15.1"}',
    }  # without digests, which an attacker would write anew
    cases: list[Case] = []

    def add(number: int, name: str, how: str, data: bytes | None = None, **more: Any) -> None:
        case = {"name": f"{number:02d} {name} by {how}", "how": how, **more}
        if data is not None:
            case["file"] = f"{len(cases)}.keras" if how == "load" else f"{len(cases)}.weights.h5"
            (folder / case["file"]).write_bytes(data)
        cases.append(case)

    cases.append({"name": "harmless", "how": "load", "file": "good.keras"})
    cases.append({"name": "harmless json", "how": "from_json", "json": good["config.json"].decode()})
    with zipfile.ZipFile(folder / "good.keras") as archive:
        archive.extract("model.weights.h5", folder)
    cases.append({"name": "harmless weights", "how": "load_weights", "file": "model.weights.h5"})
    np.savez_compressed(folder / "good.npz", x=np.zeros(3))
    cases.append({"name": "harmless npz", "how": "npz", "file": "good.npz"})
    (folder / "good.tar").write_bytes(tar(("fine", FILE, AREG)))
    cases.append({"name": "harmless tar", "how": "extract", "file": "good.tar", "into": "good"})
    cases.append({"name": "harmless zip", "how": "extract", "file": "good.npz", "into": "good too"})
    for number, name, change in configs():
        config = copy.deepcopy(json.loads(good["config.json"]))
        change(config)
        text = json.dumps(config)
        modes = (True, False, None) if number in (4, 8) else (False,)
        if number != 7:
            add(number, name, "load", zipped({**members, "config.json": text.encode()}), modes=modes)
        add(number, name, "from_json", json=text)
        if number in (4, 6, 8):
            add(9, name, "load", legacy(config))
        if number == 4:
            add(18, name, "from_config", json=text)
    for number, name, fill in weights():
        data = hdf5(fill)
        add(number, name, "load", zipped({**members, "model.weights.h5": data}))
        add(number, name, "load_weights", data)
    for number, name, data in archives(members):
        add(number, name, "load", data)
    changed = json.loads(good["config.json"])
    argument("relu")(changed)
    add(27, "another activation", "load", zipped({**good, "config.json": json.dumps(changed).encode()}))
    for number, name, data in packages():
        add(number, name, "extract", data)
    for number, name, how, data in arrays():
        add(number, name, how, data)
    add(29, "every class with a path for each argument", "every_class", value=str(folder / "secret.txt"))
    (folder / "cases.json").write_text(json.dumps(cases))
    return cases


def legacy(config: Config) -> bytes:
    """An .h5 file of Keras 2 with a config."""

    def fill(root: h5py.File) -> None:
        root.attrs["model_config"] = json.dumps(config)
        root.attrs["keras_version"] = "2.15.0"
        root.create_group("model_weights").attrs["layer_names"] = []

    return hdf5(fill)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.getbasetemp()
    folder = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "attacks"
    done = folder / "report.json"
    try:
        folder.mkdir()
    except FileExistsError:  # another process of this session has begun, and is waited for
        while not done.exists():
            time.sleep(0.5)
    else:
        results: dict[str, Any] = {}
        try:
            results = watch(folder)
        finally:
            (folder / "part").write_text(json.dumps(results))
            (folder / "part").rename(done)
    found: dict[str, Any] = json.loads(done.read_text())
    assert found, "watching failed, see the other tests"
    return found


def watch(folder: Path) -> dict[str, Any]:
    """What came of each case."""
    write_cases(folder)
    before = {path.name for path in folder.iterdir()}
    command = [sys.executable, str(HERE / "attacks" / "watch.py"), str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    assert {path.name for path in folder.iterdir()} - before <= {"inside"}, "something was written"
    assert not Path("/tmp/pwned").exists() and not any(folder.rglob("*pwned*"))
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


@pytest.mark.parametrize("number", range(1, 30))
def test_an_attack_is_refused_and_nothing_happens(number: int, report: dict[str, Any]) -> None:
    results = {name: found for name, found in report.items() if name.startswith(f"{number:02d} ")}
    assert results
    for name, found in results.items():
        others = re.search("by (extract|npz|pickled|every_class|from_config)$", name)
        wanted = "ValueError" if others else "ModelFileError"
        assert found["outcome"].startswith(f"{wanted}: "), (name, found)
        assert not found["seen"] and not found["changed"], (name, found)
        assert found["megabytes"] < 150, (name, found)


def test_nothing_unpickles_or_runs_text() -> None:
    """No source of ours says what these attacks need."""
    forbidden = re.compile(r"allow_pickle=True|yaml\.|pickle\.loads?\(|marshal|\beval\(|dill|__import__\(")
    allowed = {"accelerator.py", "op.py", "scalar.py", "intrinsics.py", "recurrent.py"}  # run tables of their own
    found = [
        f"{path.name}: {line.strip()}"
        for path in HERE.parent.glob("packages/*/src/**/*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if forbidden.search(line) and not line.strip().startswith(("#", '"')) and path.name not in allowed
    ]
    assert not found


def test_yaml_is_not_a_format() -> None:
    assert not hasattr(keras.models, "model_from_yaml") and not hasattr(keras.Model, "to_yaml")
