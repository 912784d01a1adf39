"""Rules of the whole house: who may import whom, how large core may be, what no file may say."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from facade_stubs import FACADES, stub, stub_path

from pronghorn import plugins

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
WITH_CODE = [package for package in PACKAGES if (package / "src").is_dir()]
CORE = ROOT / "packages" / "core" / "src" / "pronghorn"
CORE_LINES = 8603
"""What core has come to, rounded up: lower it with every line that leaves. The design's figure is 6,000."""


def sources(package: Path) -> list[Path]:
    return sorted((package / "src").rglob("*.py"))


def module_of(package: Path) -> str:
    """The module a package has: pronghorn for core, pronghorn_layers for layers."""
    return "pronghorn" if package.name == "core" else f"pronghorn_{package.name}"


def project(package: Path) -> dict:
    return tomllib.loads((package / "pyproject.toml").read_text())["project"]


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported anywhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


# ---------------------------------------------------------------------------------------------------- imports


@pytest.mark.parametrize("package", WITH_CODE, ids=lambda package: package.name)
def test_core_imports_no_sibling_and_the_others_import_core_only(package: Path):
    allowed = {module_of(package), "pronghorn"}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(package)
        for name in imports(ast.parse(path.read_text(encoding="utf-8")))
        if name.partition(".")[0].startswith("pronghorn") and name.partition(".")[0] not in allowed
    ]
    assert not wrong, "use the registry or a facade instead"


@pytest.mark.parametrize("package", WITH_CODE, ids=lambda package: package.name)
def test_packages_import_at_their_head_only_what_they_declare(package: Path):
    """Optional distributions may be imported inside a function, which then says what to install."""
    declared = {requirement.partition(">")[0].partition("[")[0] for requirement in project(package)["dependencies"]}
    modules = {"pronghorn" if name == "pronghorn-core" else name.replace("-", "_") for name in declared}
    if "numba" in modules:
        modules.add("llvmlite")
    allowed = modules | {module_of(package), *sys.stdlib_module_names}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(package)
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imports(ast.Module([node], []))
        if name.partition(".")[0] not in allowed
    ]
    assert not wrong


def test_listing_everything_imports_no_compiler_and_no_file_format():
    code = f"""
import importlib, sys
for name in {sorted(FACADES)}:
    assert dir(importlib.import_module(name)), name
assert not {{"numba", "llvmlite", "h5py", "matplotlib"}} & sys.modules.keys(), sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("kind", plugins.KINDS)
def test_every_reference_of_ours_leads_somewhere(kind: str):
    for name, reference in plugins.references(kind).items():
        if reference.dist in plugins.OWN_DISTRIBUTIONS and kind != "accelerators":
            assert reference.load() is not None, name


# ---------------------------------------------------------------------------------------------------- facades


@pytest.mark.parametrize("module", FACADES)
def test_names_for_the_type_checker_are_the_registered_ones(module: str):
    """The stub beside a facade has one line for each name; `hatch run stubs` writes it."""

    def names(text: str) -> set[tuple[str | None, str, str | None]]:
        return {
            (node.module, alias.name, alias.asname)
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }

    assert names(stub_path(module).read_text(encoding="utf-8")) == names(stub(module)), "run `hatch run stubs`"


# ---------------------------------------------------------------------------------------------- size and form


def lines_of_code(source: str) -> int:
    """Lines that hold code: no comments, blank lines, docstrings or strings that document an attribute."""
    text = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    layout = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    code = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in layout
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(code - text)


def test_lines_of_code_are_counted_without_prose():
    prose = '"""Docs.\n\nMore."""\n\n# why\n'
    code = 'x = """a\nb"""  # two lines\n"""Of x."""\n\n\ndef f():\n    "Docs."\n    return x\n'
    assert lines_of_code(prose + code) == 4


def test_core_does_not_grow():
    sizes = {
        str(path.relative_to(CORE)): lines_of_code(path.read_text(encoding="utf-8")) for path in CORE.rglob("*.py")
    }
    largest = ", ".join(f"{name} {size}" for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:5])
    total = sum(sizes.values())
    assert total <= CORE_LINES, f"{total} lines; what of it belongs into a package of its kind? {largest}"


@pytest.mark.parametrize("package", WITH_CODE, ids=lambda package: package.name)
def test_every_package_is_typed_documented_and_tested(package: Path):
    assert (package / "src" / module_of(package) / "py.typed").is_file()
    assert (package / "README.md").read_text(encoding="utf-8").startswith(f"# pronghorn-{package.name}\n")
    assert list((package / "tests").glob("test_*.py"))
    for path in sources(package):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{path} has no docstring"


# ---------------------------------------------------------------------------------------------- distributions


def test_versions_move_together():
    projects = {package.name: project(package) for package in PACKAGES}
    assert len({each["version"] for each in projects.values()}) == 1
    major, minor, _ = projects["core"]["version"].split(".")
    for name, each in projects.items():
        extras = [item for group in each.get("optional-dependencies", {}).values() for item in group]
        for requirement in (*each["dependencies"], *extras):
            if requirement.startswith("pronghorn"):
                expected = f">={major}.{minor},<{major}.{int(minor) + 1}"
                assert requirement.endswith(expected), f"{name} requires {requirement}, not {expected}"


def test_our_distributions_are_known_to_the_registry_and_to_every_command():
    names = {package.name for package in PACKAGES}
    assert {f"pronghorn-{name}" for name in names - {"pronghorn"}} == plugins.OWN_DISTRIBUTIONS
    environments = tomllib.loads((ROOT / "hatch.toml").read_text())["envs"]
    assert set(environments["solo"]["matrix"][0]["package"]) == names
    for package in PACKAGES:
        declared = {
            requirement.partition(">")[0].removeprefix("pronghorn-")
            for requirement in project(package)["dependencies"]
            if requirement.startswith("pronghorn-")
        }
        installed = {
            member["value"].removeprefix("packages/")
            for member in environments["solo"]["overrides"]["matrix"]["package"]["workspace"]["members"]
            if package.name in member["if"]
        }
        assert installed == declared, f"hatch.toml: what solo.{package.name} installs"
    checked = environments["types"]["scripts"]["check"].split()
    assert {module_of(package) for package in WITH_CODE} <= set(checked)


# ------------------------------------------------------------------------------------------------------ words

FORBIDDEN = tuple("".join(parts) for parts in ((".", "./shared"), ("/wor", "k/"), ("TO", "DO"), ("FIX", "ME")))
"""Paths of one machine, and promises; in pieces, since this file is read too."""


def test_no_file_names_a_machine_or_makes_a_promise():
    suffixes = {".py", ".md", ".toml", ".txt", ".sh", ".ipynb", ""}
    tops = [path for path in ROOT.iterdir() if not path.name.startswith(".") or path.name == ".ci"]
    files = [path for top in tops for path in ([top] if top.is_file() else top.rglob("*"))]
    wrong = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in files
        if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts
        for text in [path.read_text(encoding="utf-8", errors="ignore")]
        for word in FORBIDDEN
        if word in text
    ]
    assert not wrong
