"""Hostile `.h5` files: each is refused with ModelFileError, and nothing else happens: no import, open, exec or network.

All files are loaded in one Python process whose audit hook sees what the interpreter does on behalf of each.
"""

from __future__ import annotations

import base64
import json
import marshal
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pronghorn import layers
from pronghorn.functional import Input
from pronghorn.saving import ModelFileError, load_model
from pronghorn.sequential import Sequential

LOADER = """
import json, resource, sys, warnings
from pathlib import Path
import pronghorn
from pronghorn import op, plugins
from pronghorn.saving import ModelFileError, load_model

folder = Path(sys.argv[1])
load_model(folder / "good.h5")  # what reading imports is imported now
for reference in plugins.references("formats").values():  # each is asked whether it knows a file
    reference.load()
watched = ("open", "import", "exec", "compile", "marshal", "pickle", "socket", "subprocess", "os", "shutil", "ctypes")
own = str(Path(pronghorn.__file__).parent)
seen, current = [], None

def hook(event, arguments):
    if current and event.split(".")[0] in watched:
        what = str(arguments[0]) if arguments else ""
        if event == "open" and (what == str(current) or what.startswith(own)):
            return
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
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load_model(path, safe_mode=False)
    except ModelFileError as error:
        outcome = f"refused: {error}"
    except BaseException as error:
        outcome = f"{type(error).__name__}: {error}"
    current = None
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    report[path.stem] = {"outcome": outcome, "seen": seen, "megabytes": grown / 1024}
print(json.dumps(report))
"""

CODE = base64.b64encode(marshal.dumps(compile("__import__('os').system('touch pwned')", "x", "eval"))).decode()
Attack = Callable[[h5py.File], Any]


def config(change: Callable[[dict[str, Any]], Any], key: str = "model_config") -> Attack:
    """The file with its config changed."""

    def attack(file: h5py.File) -> None:
        value = json.loads(file.attrs[key])
        change(value)
        file.attrs[key] = json.dumps(value)

    return attack


def layer(**fields: Any) -> Attack:
    """The file with its Dense replaced by something else."""
    return config(lambda value: value["config"]["layers"][1].update(fields))


def argument(value: Any) -> Attack:
    return config(lambda whole: whole["config"]["layers"][1]["config"].update(kernel_initializer=value))


def kernel(make: Callable[[h5py.Group], Any]) -> Attack:
    """The file with another kernel dataset."""

    def attack(file: h5py.File) -> None:
        group = file["model_weights/dense/s/dense"]
        del group["kernel"]
        make(group)

    return attack


def virtual(group: h5py.Group) -> None:
    layout = h5py.VirtualLayout((3, 2), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3, 2))
    group.create_virtual_dataset("kernel", layout)


def external(group: h5py.Group) -> None:
    group.create_dataset("kernel", (3, 2), "f4", external=[("/etc/passwd", 0, 24)])


def soft(group: h5py.Group) -> None:
    group["kernel"] = h5py.SoftLink("/model_weights/dense/s/dense/bias")


def outside(group: h5py.Group) -> None:
    group["kernel"] = h5py.ExternalLink("/etc/passwd", "/x")


def huge(group: h5py.Group) -> None:
    group.create_dataset("kernel", (2**40, 2), "f4", chunks=(1, 2))


def packed(group: h5py.Group) -> None:
    group.create_dataset("kernel", data=np.zeros((2**22, 2), "f4"), compression="gzip")


def packed_chunk(group: h5py.Group) -> None:
    """A chunk for six numbers, whose bytes ask for eight million (older HDF5 libraries write no larger ones)."""
    data = group.create_dataset("kernel", (3, 2), "f4", chunks=(3, 2), compression="gzip")
    data.id.write_direct_chunk((0, 0), zlib.compress(bytes(2**25)))


def damaged_chunk(group: h5py.Group) -> None:
    data = group.create_dataset("kernel", (3, 2), "f4", chunks=(3, 2), compression="gzip")
    data.id.write_direct_chunk((0, 0), b"no stream of gzip")


def large_chunk(group: h5py.Group) -> None:
    """A chunk of which almost nothing lies inside of the array."""
    group.create_dataset("kernel", (3, 2), "f4", maxshape=(None, 2), chunks=(2**24, 2), compression="gzip")


def objects(group: h5py.Group) -> None:
    group.create_dataset("kernel", data=np.array([["a", "b"]] * 3, dtype=object), dtype=h5py.string_dtype())


def text_bomb(file: h5py.File) -> None:
    """4,000 names that all are the same long string: each costs 16 bytes in the file, and a megabyte in memory."""
    group = file["model_weights"]
    del group.attrs["layer_names"]
    group.attrs.create("layer_names", ["x" * 2**20] + ["y"] * 3999, dtype=h5py.string_dtype())


def linked_weights(file: h5py.File) -> None:
    del file["model_weights"]
    file["model_weights"] = h5py.ExternalLink("other.h5", "/model_weights")


def names(value: Any) -> Attack:
    return lambda file: file["model_weights/dense"].attrs.__setitem__("weight_names", value)


def loop(file: h5py.File) -> None:
    file["model_weights/dense/again"] = file["model_weights"]


LAMBDA = {"function": [CODE, None, None], "function_type": "lambda", "name": "dense", "arguments": {}}
NEW_LAMBDA = {"function": {"class_name": "__lambda__", "config": {"code": CODE}}, "name": "dense", "trainable": True}

ATTACKS: dict[str, Attack] = {
    "code_of_keras_2": layer(class_name="Lambda", config=LAMBDA),
    "code_of_keras_3": layer(class_name="Lambda", config=NEW_LAMBDA),
    "function_anywhere": layer(class_name="Lambda", config={**LAMBDA, "function": "os.system"}),
    "module_os": layer(module="os", class_name="system", config={"command": "touch pwned"}),
    "module_subprocess_in_argument": argument(
        {"module": "subprocess", "class_name": "Popen", "config": {"args": "id"}}
    ),
    "function_in_argument": argument({"module": "builtins", "class_name": "function", "config": "eval"}),
    "gadget_load_model": layer(module="keras.saving", class_name="load_model", config={"filepath": "/etc/passwd"}),
    "gadget_get_file": layer(module="keras.utils", class_name="get_file", config={"fname": "a", "origin": "file:///x"}),
    "torch": layer(class_name="TorchModuleWrapper", config={"module": "x", "name": "dense"}),
    "saved_model": layer(class_name="TFSMLayer", config={"filepath": "/tmp/x", "name": "dense"}),
    "tf_function": layer(class_name="TFOpLambda", config={"function": "io.read_file", "name": "dense"}),
    "config_is_a_list": layer(config=[1, 2]),
    "config_is_nothing": config(lambda value: value.update(config=None)),
    "layers_are_text": config(lambda value: value["config"].update(layers="abc")),
    "layers_are_numbers": config(lambda value: value["config"].update(layers=[1])),
    "units_beyond_all": config(lambda value: value["config"]["layers"][1]["config"].update(units=2**40)),
    "deep_json": lambda file: file.attrs.__setitem__("model_config", "[" * 30000),
    "no_json": lambda file: file.attrs.__setitem__("model_config", "{"),
    "config_is_a_number": lambda file: file.attrs.__setitem__("model_config", 3),
    "training_config_calls": config(
        lambda value: value.update(optimizer_config={"class_name": "system", "config": {}, "module": "os"}),
        "training_config",
    ),
    "virtual_dataset": kernel(virtual),
    "external_storage": kernel(external),
    "soft_link": kernel(soft),
    "external_link": kernel(outside),
    "shape_bomb": kernel(huge),
    "compression_bomb": kernel(packed),
    "chunk_bomb": kernel(packed_chunk),
    "chunk_damaged": kernel(damaged_chunk),
    "chunk_beyond_array": kernel(large_chunk),
    "another_filter": kernel(lambda group: group.create_dataset("kernel", data=np.zeros((3, 2)), compression="lzf")),
    "object_dtype": kernel(objects),
    "missing_array": kernel(lambda group: None),
    "weights_in_another_file": linked_weights,
    "loop": loop,
    "text_bomb": text_bomb,
    "names_with_dots": names([b"../../dense/s/dense/kernel", b"s/dense/bias"]),
    "one_array_often": names([b"s/dense/kernel"] * 2000),
    "names_are_numbers": names(np.arange(2)),
}


def heap(change: Callable[[bytearray, int], None]) -> Callable[[bytes], bytes]:
    """The file with the heap of its texts changed; HDF5's library walks through each of these for ever."""

    def attack(data: bytes) -> bytes:
        changed = bytearray(data)
        change(changed, data.index(b"GCOL"))
        return bytes(changed)

    return attack


def put(offset: int, value: bytes) -> Callable[[bytes], bytes]:
    return heap(lambda data, start: data.__setitem__(slice(start + offset, start + offset + len(value)), value))


def free_space(data: bytearray, start: int) -> None:
    place = start + 16
    while data[place : place + 2] != b"\0\0":
        place += 16 + -(-int.from_bytes(data[place + 8 : place + 16], "little") // 8) * 8
    data[place + 8 : place + 16] = bytes(8)


def long_text(data: bytearray, start: int) -> None:
    """The first text, whose reference to the heap says two gigabytes."""
    place = data.index(start.to_bytes(8, "little") + b"\1\0\0\0")
    data[place - 4 : place] = (2**31).to_bytes(4, "little")


HEAPS: dict[str, Callable[[bytes], bytes]] = {
    "heap_without_end": heap(free_space),
    "heap_that_turns_back": put(24, (2**64 - 16).to_bytes(8, "little")),
    "heap_of_nothing": put(16, bytes(16)),
    "text_beyond_the_heap": heap(long_text),
    "heap_beyond_the_file": put(8, (2**40).to_bytes(8, "little")),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("attacks")
    model = Sequential([Input((3,)), layers.Dense(2, name="dense")], name="s")
    model.compile("sgd", "mse")
    model.save(folder / "good.h5")
    for name, attack in ATTACKS.items():
        path = folder / f"{name}.attack"
        path.write_bytes((folder / "good.h5").read_bytes())
        with h5py.File(path, "a") as file:
            attack(file)
    for name, change in HEAPS.items():
        (folder / f"{name}.attack").write_bytes(change((folder / "good.h5").read_bytes()))
    for length in (100, 1000, 5000):
        (folder / f"cut_at_{length}.attack").write_bytes((folder / "good.h5").read_bytes()[:length])
    result = subprocess.run([sys.executable, "-c", LOADER, str(folder)], capture_output=True, text=True, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert not (folder / "pwned").exists()
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", [*ATTACKS, *HEAPS, "cut_at_100", "cut_at_1000", "cut_at_5000"])
def test_attack(name: str, report: Any) -> None:
    outcome = report[name]
    if name == "training_config_calls":  # the model is good; what it was compiled with is told, and left
        assert "not compiled" in outcome["outcome"]
    else:
        assert outcome["outcome"].startswith("refused"), outcome
    assert not outcome["seen"]
    assert outcome["megabytes"] < 64


@pytest.mark.parametrize("options", [{"compression": "gzip"}, {"compression": "gzip", "shuffle": True}, {}])
@pytest.mark.parametrize("library", ["earliest", "latest"])
def test_files_that_another_tool_has_rewritten_are_read(library: str, options: Any, tmp_path: Path) -> None:
    model = Sequential([Input((30,)), layers.Dense(50)])
    model.compile("sgd", "mse")
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as old, h5py.File(tmp_path / "n.h5", "w", libver=library) as new:

        def copy(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                made: Any = new.create_dataset(name, data=item[()], **(options if item.shape else {}))
            else:
                made = new.require_group(name)
            made.attrs.update(item.attrs)

        new.attrs.update(old.attrs)
        old.visititems(copy)
    again = load_model(tmp_path / "n.h5")
    for left, right in zip(model.variables, again.variables, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())


@pytest.mark.skipif(
    h5py.version.hdf5_version_tuple < (1, 14, 6), reason="older HDF5 libraries crash when they close damaged files"
)
def test_random_changes_of_bytes_raise_model_file_error_only(tmp_path: Path) -> None:
    model = Sequential([Input((3,)), layers.Dense(2, name="dense")], name="s")
    model.save(tmp_path / "good.h5")
    good = np.frombuffer((tmp_path / "good.h5").read_bytes(), np.uint8)
    random = np.random.default_rng(0)
    for _ in range(60):
        changed = good.copy()
        changed[random.integers(0, changed.size, 8)] = random.integers(0, 256, 8)
        (tmp_path / "m.h5").write_bytes(changed.tobytes())
        try:
            load_model(tmp_path / "m.h5")
        except ModelFileError:
            pass
