"""Source text in, machine code out: the only place that runs Numba's compiler.

``python -m pronghorn_cpu.compile`` does it for another process: each line of input is the JSON string of a
source, each line of output the compiled kernel in base64, or an empty line if it could not be compiled.
"""

from __future__ import annotations

import base64
import json
import linecache
import os
import signal
import sys
from typing import Any


def compile_kernel(source: str, name: str) -> tuple[str, bytes]:
    """Compiles the function ``kernel(p, t, threads)`` that the module ``source`` defines.

    Args:
        source: text of the module.
        name: tells it from others in tracebacks and symbols.

    Returns:
        The symbol of the C function ``void(int64, int64, int64)`` and the object file that holds it.

    Raises:
        TypeError: ``source`` defines no plain function ``kernel``.
        numba.core.errors.NumbaError: it does not compile.
    """
    filename = f"<kernel {name}>"
    namespace = {"__name__": f"pronghorn_kernel_{name}"}
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    exec(compile(source, filename, "exec"), namespace)
    function = namespace.get("kernel")
    if not hasattr(function, "__code__"):
        raise TypeError(f"a kernel's source defines a plain function kernel(p, t, threads), not {function!r}")
    return _object_code(function, f"pronghorn_kernel_{name}")


def _object_code(function: Any, symbol: str) -> tuple[str, bytes]:
    """Like Numba's ``cfunc``, but for functions that neither raise nor allocate: no reference counting, and
    instead of the code that would print an exception, and needs Numba's run-time library to do so,
    nothing."""
    from llvmlite import ir
    from numba import types
    from numba.core import compiler as numba_compiler
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target

    compiler: Any = numba_compiler
    context: Any = cpu_target.target_context
    arguments = (types.int64,) * 3
    flags = compiler.Flags()
    flags.no_compile = True  # until the entry below is part of it
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.error_model = "numpy"  # dividing by zero gives inf or nan
    with global_compiler_lock:
        cpu_target.typing_context.refresh()
        context.refresh()
        result = compiler.compile_extra(cpu_target.typing_context, context, function, arguments, types.void, flags, {})
        module = context.create_module(symbol)
        convention = context.call_conv
        signature = convention.get_function_type(types.void, arguments)
        native = ir.Function(module, signature, result.fndesc.llvm_func_name)
        entry = ir.Function(module, ir.FunctionType(ir.VoidType(), [ir.IntType(64)] * 3), symbol)
        builder = ir.IRBuilder(entry.append_basic_block())
        convention.call_function(builder, native, types.void, arguments, entry.args)
        builder.ret_void()
        result.library.add_ir_module(module)
        result.library.get_pointer_to_function(symbol)  # makes the object code
        return symbol, result.library._get_compiled_object()


def _serve() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asked
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a compiler prints must not mix with the answers
    for number, line in enumerate(sys.stdin):
        try:
            symbol, code = compile_kernel(json.loads(line), str(number))
        except Exception:
            answer = ""  # the asking process compiles it itself and reports the error
        else:
            answer = base64.b64encode(symbol.encode() + b"\0" + code).decode()
        print(answer, file=answers, flush=True)


if __name__ == "__main__":
    _serve()
