"""Any array code as a compiled function of one replica: what the conformance kit compares with NumPy."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from framework.training.compiled.array import contiguous, new
from framework.training.compiled.build import load, machine
from framework.training.compiled.emit import COMMON, Emitter
from framework.training.compiled.functions import CTYPES
from framework.training.compiled.memory import allocated
from framework.training.compiled.traced import Draw, as_output, c_name

Results = Mapping[str, Any]
NUMBER = "@"  # in the place of a function's number; C has no such letter


class CompiledFunction:
    """Array code that is traced here, and can be called once it is in a library.

    Args:
        trace: arrays that record, by name -> results by name. A result with the name of an input overwrites it.
        inputs: name -> shape and dtype.
        draws: what the code draws at random; `trace` fills it.
    """

    def __init__(
        self, trace: Callable[[Results], Results], inputs: Mapping[str, tuple[Any, Any]], draws: Sequence[Draw] = ()
    ) -> None:
        self.inputs, self.draws = {name: (shape, np.dtype(dtype)) for name, (shape, dtype) in inputs.items()}, draws
        given = {name: new("input", shape, dtype, name=c_name("i", name)) for name, (shape, dtype) in inputs.items()}
        results = {name: contiguous(a, copy=name not in inputs) for name, a in trace(given).items()}
        names = {name: c_name("i" if name in inputs else "o", name) for name in results}
        self.emitter = Emitter({names[name]: as_output(names[name], a) for name, a in results.items()}, machine())
        self.results = {name: (a.shape, a.dtype) for name, a in results.items() if name not in inputs}
        self.run: Any = None

    def source(self, number: int | str) -> str:
        """The function `run_number`, and what it needs beside the preamble; names of the file are its own."""
        parts = [f"{CTYPES[str(dtype)]} *{c_name('i', name)}" for name, (_, dtype) in self.inputs.items()]
        parts += [f"{CTYPES[str(dtype)]} *{c_name('o', name)}" for name, (_, dtype) in self.results.items()]
        parts += [*(f"const float *u{i}" for i in range(len(self.draws))), "const double *opt", "double number", "char *ws"]
        head = self.emitter.head().replace(COMMON, "")
        text = f"{head}\nvoid run({', '.join(parts)}) {{\nstruct team *team = 0;\n{self.emitter.code()}\n}}"
        own = {"run", *re.findall(r"^static .*?\b(\w+)[(\[]", head, re.M)}
        return re.sub(rf"\b({'|'.join(own)})\b", rf"\1_{number}", text)

    def __call__(
        self, inputs: Mapping[str, np.ndarray], options: Sequence[float] = (), draws: Any = (), number: float = 0
    ) -> dict[str, np.ndarray]:
        """The results of these inputs, which may be overwritten."""
        out = {name: np.zeros(shape, dtype) for name, (shape, dtype) in self.results.items()}
        drawn = [np.ascontiguousarray(u, np.float32) for u in draws]
        table, memory = np.array([*options, 0.0]), allocated(self.emitter.workspace.size)
        arrays = [*(inputs[name] for name in self.inputs), *out.values(), *drawn, table]
        assert all(a.flags.c_contiguous for a in arrays)
        self.run(*map(_pointer, arrays), ctypes.c_double(number), _pointer(memory))
        return out


def together(functions: Sequence[CompiledFunction], flags: Sequence[str] | None = None) -> str:
    """Compile functions in one file, which is faster than one by one; those with the same code once. Returns its text.

    Raises:
        NoCompilerError: there is no compiler, or it cannot compile them.
    """
    sources = [function.source(NUMBER) for function in functions]
    numbers = {source: str(i) for i, source in enumerate(dict.fromkeys(sources))}
    text = "\n".join([COMMON, *(source.replace(NUMBER, number) for source, number in numbers.items()), ""])
    library = load(text) if flags is None else load(text, tuple(flags))
    for function, source in zip(functions, sources, strict=True):
        function.run = getattr(library, f"run_{numbers[source]}")
        function.run.restype = None
    return text


def _pointer(a: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(a.ctypes.data)
