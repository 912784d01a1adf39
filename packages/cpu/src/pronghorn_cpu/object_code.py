"""Machine code in memory: an object file, as LLVM wrote it, made callable.

This is all that a process with a warm cache needs: LLVM's loader (llvmlite), not Numba.
"""

from __future__ import annotations

import functools
import struct
from typing import Any

import llvmlite.binding as llvm

_SYMBOL = struct.Struct("<IBBHQQ")  # Elf64_Sym: name, info, other, section, value, size


@functools.cache
def host() -> str:
    """This machine's platform, processor and processor features, as LLVM names them."""
    return f"{llvm.get_process_triple()} {llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}"


@functools.cache
def _initialize() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def link(code: bytes, symbol: str) -> tuple[Any, int]:
    """The engine that owns the loaded ``code`` (to be kept alive) and the address of ``symbol`` in it.

    Each object file gets an engine of its own, so equal names in two of them never meet.

    Raises:
        LookupError: the code calls a function that this process does not have.
    """
    _initialize()
    machine = llvm.Target.from_default_triple().create_target_machine(codemodel="jitdefault")
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    file = llvm.ObjectFileRef.from_data(code)
    _require(_external_symbols(file))
    engine.add_object_file(file)
    engine.finalize_object()
    address = engine.get_function_address(symbol)
    if not address:
        raise LookupError(f"the object file defines no {symbol}")
    return engine, address


def _external_symbols(file: Any) -> list[str]:
    """The names that an ELF object file expects to find elsewhere; empty for other formats."""
    sections = {section.name(): section.data() for section in file.sections()}
    names = sections.get(b".strtab", b"")
    symbols = _SYMBOL.iter_unpack(sections.get(b".symtab", b""))
    undefined = (name for name, _, _, section, _, _ in symbols if name and section == 0)
    return [names[name : names.index(b"\0", name)].decode() for name in undefined]


def _require(symbols: list[str]) -> None:
    """Sees to it that all ``symbols`` are in the process: LLVM would end the process over one that is not."""
    missing = [name for name in symbols if llvm.address_of_symbol(name) is None]
    if not missing:
        return
    # Numba brings run-time helpers of its own, which only code that may raise or does rare arithmetic needs.
    from numba.core.registry import cpu_target

    cpu_target.target_context.refresh()
    missing = [name for name in missing if llvm.address_of_symbol(name) is None]
    if missing:
        raise LookupError(f"no library of this process has {', '.join(missing)}")
