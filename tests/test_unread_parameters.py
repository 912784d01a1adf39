"""No public function and no constructor has a parameter that its body never reads."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGES = Path(__file__).parents[1] / "packages"
KINDS = ("callbacks", "datasets", "layers", "objectives", "ops", "optimizers", "utils")

HINTS = {
    "top_k(sorted)": "False allows any order",
    "unique(sorted)": "False allows any order",
    "isin(assume_unique)": "says what is known of the values",
    **{f"segment_{kind}(sorted)": "says what is known of the ids" for kind in ("sum", "max", "min", "prod")},
    "pad(height)": "boxes do not depend on the image's size",
    "pad(width)": "boxes do not depend on the image's size",
    "with_open_forget_gate(shape)": "an initializer's signature",
}
"""Parameters that Keras has and that cannot change a result."""


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Those of the module, and the constructors of its classes."""
    for node in tree.body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        for function in inside:
            own = isinstance(function, ast.FunctionDef) and (
                function.name == "__init__" if isinstance(node, ast.ClassDef) else not function.name.startswith("_")
            )
            if own and not isinstance(function.body[-1], ast.Raise):  # type: ignore[attr-defined]
                yield function  # type: ignore[misc]


def unread(function: ast.FunctionDef) -> list[str]:
    read = {node.id for part in function.body for node in ast.walk(part) if isinstance(node, ast.Name)}
    if "locals" in read:
        return []
    given = [argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)]
    return [name for name in given if name != "self" and name[0] != "_" and name not in read]


def test_all_parameters_are_read() -> None:
    found = {
        f"{function.name}({name})"
        for kind in KINDS
        for path in (PACKAGES / kind / "src").rglob("*.py")
        for function in functions(ast.parse(path.read_text(encoding="utf-8")))
        if not any("primitive" in ast.unparse(decorator) for decorator in function.decorator_list)
        for name in unread(function)
    }
    assert found <= HINTS.keys()
