"""Hostile files: each is refused with ModelFileError, and nothing else happens: no import, open, exec or connection.

All files are loaded in one Python process whose audit hook sees what the interpreter does on behalf of each.
"""

from __future__ import annotations

import base64
import copy
import io
import json
import marshal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pronghorn.functional import Input
from pronghorn.model import Model
from pronghorn.saving import CustomObjectScope, save_model
from pronghorn.testing.layers import Affine

Config = dict[str, Any]
Members = dict[str, bytes]

LOADER = """
import json, resource, sys, warnings
from pathlib import Path
import pronghorn
from pronghorn import op
from pronghorn.saving import ModelFileError, load_model
from pronghorn.testing.layers import Affine

folder = Path(sys.argv[1])
known = {"Affine": Affine}
load_model(folder / "good.keras", known)  # what reading imports is imported now
watched = ("open", "import", "exec", "compile", "marshal", "pickle", "socket", "subprocess", "os", "shutil", "ctypes")
own = str(Path(pronghorn.__file__).parent)
seen, current = [], None

def hook(event, arguments):
    if current and event.split(".")[0] in watched:
        what = str(arguments[0]) if arguments else ""
        if event == "open" and (what == str(current) or what.startswith(own)):
            return  # the file itself, or a table of our own
        if event == "exec" and sys._getframe(1).f_code.co_filename == op.__file__:
            return  # an expression of the engine's own table, run by the NumPy reference
        seen.append(f"{event} {what}")

sys.addaudithook(hook)
report = {}
for path in sorted(folder.glob("*.attack")):
    seen, before = [], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = "loaded"
    current = path
    try:
        load_model(path, known, safe_mode=False)
    except ModelFileError as error:
        outcome = f"refused: {error}"
    except BaseException as error:
        outcome = f"{type(error).__name__}: {error}"
    current = None
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    report[path.stem] = {"outcome": outcome, "seen": seen, "megabytes": grown / 1024}
print(json.dumps(report))
"""


# ------------------------------------------------------------------------------------------------ configs


def entry(config: Config, index: int = 1) -> Config:
    return config["config"]["layers"][index]  # type: ignore[no-any-return]


def replaced(index: int, **fields: Any) -> Callable[[Config], Any]:
    """The config with fields of one layer's entry replaced."""
    return lambda config: entry(config, index).update(fields)


def argument(value: Any) -> Callable[[Config], Any]:
    """The config with `value` as an argument of a layer's constructor."""
    return lambda config: entry(config)["config"].update(units=value)


def called(module: Any, name: Any, config: Any = None, **fields: Any) -> Config:
    return {"module": module, "class_name": name, "config": config or {}, "registered_name": None, **fields}


def node(name: str, module: str, class_name: str, args: list[Any], config: Config | None = None) -> Config:
    call = {"args": args, "kwargs": {}}
    inner = {"name": name, **(config or {})}
    return {**called(module, class_name, inner), "registered_name": class_name, "name": name, "inbound_nodes": [call]}


TENSOR = {
    "class_name": "__keras_tensor__",
    "config": {"shape": [None, 2], "dtype": "float32", "keras_history": ["affine", 0, 0]},
}


def add_node(new: Config) -> Callable[[Config], Any]:
    return lambda config: config["config"]["layers"].append(new)


def add_output(new: Config) -> Callable[[Config], Any]:
    def change(config: Config) -> None:
        config["config"]["layers"].append(new)
        config["config"]["output_layers"] = [new["name"], 0, 0]

    return change


CODE = base64.b64encode(marshal.dumps(compile("__import__('os').system('touch pwned')", "x", "eval"))).decode()
LAMBDA = {"class_name": "__lambda__", "config": {"code": CODE, "defaults": None, "closure": None}}
CONFIGS: dict[str, Callable[[Config], Any]] = {
    "a function of a module": replaced(1, **called("os", "system", {"command": "touch pwned"})),
    "a function of builtins, deep inside": argument([[{"deep": called("builtins", "eval", {"source": "1"})}]]),
    "a class of an installed module": argument(called("subprocess", "Popen", {"args": ["touch", "pwned"]})),
    "a module that is not imported": argument(called("antigravity", "Anything")),
    "a function by name": argument({"class_name": "function", "config": "os.system"}),
    "a function by the name of a builtin": argument({"class_name": "function", "config": "eval"}),
    "a function that is no name": argument({"class_name": "function", "config": {"module": "os"}}),
    "the loader itself": argument(called("keras.saving", "load_model", {"filepath": "good.keras"})),
    "the loader by our own name": argument(called("pronghorn.saving", "load_model", {"filepath": "good.keras"})),
    "a global switch": argument(called("keras.config", "enable_unsafe_deserialization")),
    "a global attribute": argument(called("keras.src.backend.common.global_state", "set_global_attribute")),
    "a download": argument(called("keras.utils", "get_file", {"origin": "http://localhost/x"})),
    "a data set": argument(called("keras.datasets.mnist", "load_data")),
    "a callback": argument(called("keras.callbacks", "LambdaCallback")),
    "a wrapper of another framework": replaced(1, **called("keras.layers", "TorchModuleWrapper", {"module": "x"})),
    "a layer that loads a folder": replaced(1, **called("keras.layers", "TFSMLayer", {"filepath": "/etc"})),
    "a Lambda layer": replaced(1, **called("keras.layers", "Lambda", {"function": LAMBDA})),
    "a Lambda layer registered by the file": replaced(1, **called(None, "Lambda", {}, registered_name="x>Lambda")),
    "a lambda as an argument": argument(LAMBDA),
    "a built-in with a foreign name": replaced(1, **called("keras.layers", "InputLayer", {}, registered_name="x>In")),
    "a class of no kind": argument(called("keras.layers.__init__", "__import__", {"name": "antigravity"})),
    "a module that is a list": replaced(1, module=["keras", "layers"]),
    "a class that is a number": replaced(1, class_name=5),
    "a config that is a string": replaced(1, config="x" * 100),
    "a config that is nothing": replaced(1, config=None),
    "layers that are no list": lambda config: config["config"].update(layers={"a": 1}),
    "calls that are no list": replaced(1, inbound_nodes={"args": []}),
    "calls of Keras 2": replaced(1, inbound_nodes=[[["input", 0, 0, {}]]]),
    "a tensor from nowhere": lambda config: config["config"].update(output_layers=["nowhere", 0, 0]),
    "a tensor with a negative index": lambda config: config["config"].update(output_layers=["affine", -1, 0]),
    "an output that is a number": lambda config: config["config"].update(output_layers=[7]),
    "a model that is a layer": lambda config: config.update(called(None, "Affine", {"units": 2})),
    "a model that is an initializer": lambda config: config.update(called("keras.initializers", "Zeros")),
    "a model that is a name": lambda config: config.update(class_name="nothing"),
    "a model without a class": lambda config: config.pop("class_name"),
    "a node that leads nowhere": add_node(node("spare", "keras.src.ops.numpy", "Add", [TENSOR, TENSOR])),
    "a function that leads nowhere": add_node(node("spare", "keras.src.utils", "get_file", [TENSOR])),
    "a layer that leads nowhere": add_node({**called(None, "Affine", {"units": 2}), "name": "x", "inbound_nodes": []}),
    "a node that reads nothing": add_output(node("big", "keras.src.ops.numpy", "Zeros", [[10**6, 10**6]])),
    "an op that is a module": add_output(node("op", "keras.src.ops.os", "Importlib", [TENSOR])),
    "an op that is no op": add_output(node("op", "keras.src.ops.numpy", "Getattribute", [TENSOR])),
    "an op of Python": add_output(node("op", "keras.src.ops.numpy", "Eval", [TENSOR])),
    "an op with the wrong arguments": add_output(node("op", "keras.src.ops.numpy", "Add", [TENSOR], {"evil": 1})),
    "more units than the file has": argument(10**10),
    "a negative number of units": argument(-5),
    "a compile config that names code": lambda config: config.update(
        compile_config={"optimizer": called("os", "system", {"command": "touch pwned"})}
    ),
    "a compile config that is a list": lambda config: config.update(compile_config=[1]),
    "a build config that names code": replaced(1, build_config={"input_shape": called("builtins", "exec")}),
}


def loop(config: Config) -> None:
    entry(config)["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = [entry(config)["name"], 0, 0]


CONFIGS["a layer that reads itself"] = loop


# ------------------------------------------------------------------------------------------------ weights


def hdf5(fill: Callable[[h5py.File], Any]) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        fill(root)
    return file.getvalue()


def virtual(root: h5py.File) -> None:
    layout = h5py.VirtualLayout((4, 2), "f4")
    layout[:] = h5py.VirtualSource("victim.h5", "secret", shape=(4, 2))
    root.create_virtual_dataset("layers/affine/vars/0", layout)


def cycle(root: h5py.File) -> None:
    root.create_group("layers")["again"] = root["/"]


def variable_length(root: h5py.File) -> None:
    root.create_dataset("layers/affine/vars/0", (2,), h5py.vlen_dtype("f4"))


WEIGHTS: dict[str, Callable[[h5py.File], Any]] = {
    "an external link to a group": lambda root: root.update({"layers": h5py.ExternalLink("victim.h5", "/")}),
    "an external link to an array": lambda root: root.create_group("layers/affine/vars").update(
        {"0": h5py.ExternalLink("victim.h5", "secret")}
    ),
    "a soft link": lambda root: root.update({"layers": h5py.SoftLink("/vars")}),
    "external storage": lambda root: root.create_dataset(
        "layers/affine/vars/0", (3, 2), "f4", external=[("/etc/passwd", 0, 24)]
    ),
    "a virtual dataset": virtual,
    "a shape bomb": lambda root: root.create_dataset("layers/affine/vars/0", (2**20, 2**20), "f4", chunks=(8, 8)),
    "a shape bomb with a filter": lambda root: root.create_dataset(
        "layers/affine/vars/0", (2**14, 2**12), "f4", compression="gzip"
    ),
    "a group inside of itself": cycle,
    "arrays of variable length": variable_length,
    "arrays of strings": lambda root: root.create_dataset("layers/affine/vars/0", data=["a", "b"]),
    "a group in the place of an array": lambda root: root.create_group("layers/affine/vars/0"),
    "a name that is a path": lambda root: root.create_group("layers").create_group("C:\\evil"),
    "an array in the place of a group": lambda root: root.create_dataset("layers", data=np.zeros(3)),
    "no weights at all": lambda root: None,
}


# ------------------------------------------------------------------------------------------------ archives


def packed(members: Members, compression: int = zipfile.ZIP_STORED, names: dict[str, str] | None = None) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr((names or {}).get(name, name), data)
    return file.getvalue()


def with_member(name: str, data: bytes = b"x", link: bool = False) -> Callable[[Members], bytes]:
    def build(members: Members) -> bytes:
        file = io.BytesIO(packed(members))
        with zipfile.ZipFile(file, "a") as archive:
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if link else 0o644) << 16
            archive.writestr(info, data)
        return file.getvalue()

    return build


def damaged(members: Members) -> bytes:
    data = bytearray(packed(members))
    at = data.index(members["config.json"]) + 10
    data[at] ^= 255
    return bytes(data)


def bomb(name: str) -> Callable[[Members], bytes]:
    return lambda members: packed(members | {name: b" " * 2**27}, zipfile.ZIP_DEFLATED)


ARCHIVES: dict[str, Callable[[Members], bytes]] = {
    "a bomb in the config": bomb("config.json"),
    "a bomb in the weights": bomb("model.weights.h5"),
    "a bomb beside them": bomb("assets/vocabulary.txt"),
    "a name above the folder": with_member("assets/../../evil"),
    "a name from the root": with_member("/etc/evil"),
    "a name of another system": with_member("assets\\..\\evil"),
    "a name of a drive": with_member("C:evil"),
    "a symbolic link": with_member("assets/link", b"/etc/passwd", link=True),
    "another packing": lambda members: packed(members, zipfile.ZIP_LZMA),
    "another config": lambda members: packed(members, names={"config.json": "config.yaml"}),
    "no weights": lambda members: packed({k: v for k, v in members.items() if "weights" not in k}),
    "a wrong checksum": damaged,
    "half of it": lambda members: packed(members)[:-200],
    "a config of brackets": lambda members: packed(members | {"config.json": b"[" * 10**6}),
    "a config that is a list": lambda members: packed(members | {"config.json": b"[]"}),
    "a config that is no text": lambda members: packed(members | {"config.json": b"\xff\xfe\x00"}),
    "metadata that are code": lambda members: packed(members | {"metadata.json": b"!!python/object:os.system"}),
}


# ------------------------------------------------------------------------------------------------ the test


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("attacks")
    with h5py.File(folder / "victim.h5", "w") as victim:
        victim["secret"] = np.ones((4, 2), "f4")
    x = Input((4,), name="input")
    with CustomObjectScope({"Affine": Affine}):
        save_model(Model(x, Affine(2, name="affine")(x)), folder / "good.keras")
    with zipfile.ZipFile(folder / "good.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["metadata.json"] = b'{"keras_version": "3.15.1"}'  # without digests, which an attacker would write anew
    for name, change in CONFIGS.items():
        config = copy.deepcopy(json.loads(members["config.json"]))
        change(config)
        data = packed(members | {"config.json": json.dumps(config).encode()})
        (folder / f"{name}.attack").write_bytes(data)
    for name, fill in WEIGHTS.items():
        (folder / f"{name}.attack").write_bytes(packed(members | {"model.weights.h5": hdf5(fill)}))
    for name, build in ARCHIVES.items():
        (folder / f"{name}.attack").write_bytes(build(members))
    script = folder / "loader.py"
    script.write_text(LOADER)
    done = subprocess.run(
        [sys.executable, str(script), str(folder)], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert not (folder / "pwned").exists()
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", [*CONFIGS, *WEIGHTS, *ARCHIVES])
def test_an_attack_is_refused_and_nothing_happens(name: str, report: dict[str, dict[str, Any]]) -> None:
    assert report[name]["outcome"].startswith("refused: ")
    assert report[name]["seen"] == []
    assert report[name]["megabytes"] < 100


def test_every_byte_of_a_file_may_be_wrong(tmp_path: Path) -> None:
    """A file with a few bytes changed is read, or refused with ModelFileError."""
    from pronghorn.saving import ModelFileError, load_model

    x = Input((4,), name="input")
    path, rng = tmp_path / "m.keras", np.random.default_rng(0)
    with CustomObjectScope({"Affine": Affine}):
        save_model(Model(x, Affine(2)(x)), path)
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()} | {
                "metadata.json": b'{"keras_version": "3.15.1"}'
            }
        for i in range(150):
            name = ("config.json", "model.weights.h5", "")[i % 3]
            data = bytearray(members[name] if name else path.read_bytes())
            for at in rng.integers(0, len(data), size=3):
                data[at] = rng.integers(0, 256)
            changed = tmp_path / "changed.keras"
            changed.write_bytes(packed(members | {name: bytes(data)}) if name else bytes(data))
            try:
                load_model(changed)
            except ModelFileError:
                pass
