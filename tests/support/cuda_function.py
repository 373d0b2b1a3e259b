"""Array code as CUDA C, to be compared with NumPy: run on the processor, many functions in one source."""

import re

import numpy as np

from framework.testing.double import Double
from framework.training.compiled.array import contiguous, new
from framework.training.compiled.cuda.emit import CudaEmitter
from framework.training.compiled.cuda.program import Launch, Program
from framework.training.compiled.cuda.source import PREAMBLE
from framework.training.compiled.functions import CTYPES
from framework.training.compiled.traced import as_output, c_name

DEFINED = re.compile(r"^(?:static|DEVICE|KERNEL) .*?\b(\w+)[(\[]", re.M)


class CudaFunction:
    """Traced array code; see `framework.training.compiled.function`.

    Args:
        trace: arrays that record, by name -> results by name. A result with the name of an input overwrites it.
        inputs: name -> shape and dtype.
        whole: whether one launch computes everything, or one launch each turn.
    """

    def __init__(self, trace, inputs, whole=True, threads=4):
        given = {name: new("input", shape, dtype, name=c_name("i", name)) for name, (shape, dtype) in inputs.items()}
        results = {name: contiguous(a, copy=name not in inputs) for name, a in trace(given).items()}
        self.inputs, self.threads, self.plan = inputs, threads, ()
        self.results = {name: (a.shape, a.dtype) for name, a in results.items() if name not in inputs}
        names = {name: c_name("i" if name in inputs else "o", name) for name in results}
        emitter = CudaEmitter({names[name]: as_output(names[name], a) for name, a in results.items()}, threads)
        types = {c_name("i", name): dtype for name, (_, dtype) in inputs.items()}
        types |= {c_name("o", name): dtype for name, (_, dtype) in self.results.items()}
        base = {
            name: f"{CTYPES[str(np.dtype(dtype))]} *{name} = ({CTYPES[str(np.dtype(dtype))]} *)table[{i}].start;"
            for i, (name, dtype) in enumerate(types.items())
        }
        self.size, head = emitter.workspace.size, emitter.head()
        scratch = max(emitter.scratch, emitter.products.scratch)
        made = Program(base, {}, emitter.declared, emitter.turns, self.size, scratch, threads)
        if whole:
            text = made.whole()
        else:
            text, self.plan = made.pieces()
        self.text = f"{head}\n{text}"

    def source(self, number):
        """The source, with names that no other function has."""
        self.suffix = f"_{number}"
        own = "|".join(sorted(set(DEFINED.findall(self.text))))
        return re.sub(rf"\b({own})\b", rf"\1{self.suffix}", self.text)

    def __call__(self, inputs):
        """The results of these inputs, which may be overwritten."""
        xp, out = self.xp, {name: self.xp.zeros(shape, dtype) for name, (shape, dtype) in self.results.items()}
        held = {name: xp.asarray(inputs[name]) for name in self.inputs}
        table = xp.asarray(np.array([(a.data.ptr, 0) for a in (*held.values(), *out.values())], np.int64))
        memory = xp.zeros(self.size, np.uint8)
        if not self.plan:
            self._launch("run", 1, table, memory, 1, 0)
        self._follow(self.plan, (table, memory, 0, 0))
        for name, a in held.items():
            inputs[name][...] = a.held
        return {name: a.held for name, a in out.items()}

    def _follow(self, parts, given):
        for part in parts:
            if isinstance(part, Launch):
                self._launch(part.name, min(part.blocks, 3), *given)
                continue
            for t in reversed(range(part.n)) if part.reverse else range(part.n):
                self._follow(part.parts, (*given, t))

    def _launch(self, name, blocks, *given):
        self.module.get_function(name + self.suffix)((1, blocks), (self.threads,), given)


def together(functions):
    """Compile functions in one source."""
    xp = Double()
    module = xp.RawModule("\n".join([PREAMBLE, *(function.source(i) for i, function in enumerate(functions))]))
    for function in functions:
        function.xp, function.module = xp, module
