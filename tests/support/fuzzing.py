"""Random array programs: the same code runs with NumPy and with arrays that record; many are compiled in one file."""

import cuda_function
import numpy as np
from cuda_function import CudaFunction

from framework import scan
from framework.training.compiled.function import CompiledFunction, together
from framework.training.compiled.module import ArrayModule

TOLERANCE = {"float32": 2e-3, "float64": 1e-9}
STATES = ("w", "v")  # inputs that the program overwrites


def broadcasts(shape, to):
    """Whether an array of one shape can stand beside one of another, and the result has that one."""
    return len(shape) <= len(to) and all(m in (1, n) for m, n in zip(shape[::-1], to[::-1], strict=False))


class Program:
    """A few dozen random operations; all choices follow from the seed and from shapes.

    Args:
        seed: of the choices, and of the numbers that go in.
        length: how many operations.
    """

    def __init__(self, seed, length=None):
        rng = np.random.default_rng(seed)
        self.seed, self.length = seed, length or int(rng.integers(4, 30))
        self.dtype = "float32" if seed % 3 == 0 else "float64"
        sizes = {"w": (6, 5), "v": (7,), "x": (4, 6, 5), "y": (6, 6), "z": (1, 5)}
        self.arrays = {name: rng.standard_normal(shape).astype(self.dtype) for name, shape in sizes.items()}
        self.arrays["i"] = rng.integers(0, 4, (3, 5))

    def run(self, xp, arrays):
        """The results by name; states have the name of their input."""
        self.xp, self.rng = xp, np.random.default_rng((self.seed, 1))
        self.known, self.ids = [a for name, a in arrays.items() if name != "i"], arrays["i"]
        for _ in range(self.length):
            name = self.rng.choice(list(OPERATIONS))
            made = OPERATIONS[name](self)
            if made is not None and made.size:
                self.known.append(made)
        results = {f"out{i}": a for i, a in enumerate(self.known[-4:])}
        return {**results, **{name: arrays[name] for name in STATES}}

    # ---- choices

    def one_of(self, things):
        return things[int(self.rng.integers(len(things)))]

    def any(self, axes=None):
        """An array that is known, perhaps with a number of axes."""
        fit = [a for a in self.known if axes is None or a.ndim == axes]
        return self.one_of(fit) if fit else self.arrays_of(axes)

    def arrays_of(self, axes):
        a = self.any()
        while a.ndim > axes:
            a = a[0, ...]
        while a.ndim < axes:
            a = a[None]
        return a

    def beside(self, a):
        """Something that broadcasts to the shape of a."""
        fit = [b for b in self.known if broadcasts(b.shape, a.shape)]
        chosen = self.rng.integers(4)
        if chosen == 0 and a.ndim:
            axis = int(self.rng.integers(a.ndim))
            return self.fresh(a.sum(axis, keepdims=True) * 0.1)
        return 0.3 if chosen == 1 else self.one_of(fit or [0.7])

    def fresh(self, a):
        """A result as the tracer lays it out: row by row."""
        return np.array(a, order="C") if self.xp is np else a

    def small(self, a):
        """A result whose numbers stay small."""
        return self.fresh(self.xp.tanh(a))

    def index(self, a):
        """A random view of a."""
        parts = []
        for n in a.shape:
            kind = int(self.rng.integers(6))
            low = int(self.rng.integers(n))
            high = int(self.rng.integers(low + 1, n + 1))
            step = int(self.rng.integers(1, 3))
            parts.append(
                [slice(None), slice(low, high), slice(low, high, step), slice(None, None, -1), low, slice(None)][kind]
            )
        if self.rng.integers(4) == 0:
            parts.insert(int(self.rng.integers(len(parts) + 1)), None)
        return (*parts, ...)  # so that NumPy gives a view, and not a number, where every axis has an index

    # ---- operations

    def binary(self):
        a = self.any()
        b = self.beside(a)
        return self.small(
            [a + b, a * b, a - b, b - a, a / (2 + self.xp.abs(b)), self.xp.maximum(a, b)][self.rng.integers(6)]
        )

    def unary(self):
        a, xp = self.any(), self.xp
        made = [
            xp.exp(a),
            xp.log(xp.abs(a) + 0.1),
            xp.sqrt(xp.abs(a)),
            a**2,
            a**3,
            -a,
            xp.sign(a + 0.011),
            xp.clip(a, -0.3, 0.2),
        ]
        return self.small(made[self.rng.integers(len(made))])

    def view(self):
        a = self.any()
        return a[self.index(a)]

    def turned(self):
        a = self.any()
        return a.transpose(*(int(i) for i in self.rng.permutation(a.ndim))) if a.ndim else None

    def reshaped(self):
        a = self.any()
        sizes = [(-1,), (a.size, 1), (1, a.size)] + [(n, -1) for n in (2, 3) if a.size % n == 0]
        return self.fresh(a * 1).reshape(*self.one_of(sizes))

    def regrouped(self):
        """A reshape of what may be a view: a copy, so that no write depends on which it is."""
        a = self.any()
        return self.fresh(a.reshape(-1) * 1)

    def added(self):
        a = self.any()
        a += self.beside(a)
        a *= 0.5
        return

    def assigned(self):
        a = self.any()
        part = a[self.index(a)]
        if part.size:
            part[...] = self.beside(part)
        return

    def part_added(self):
        a = self.any()
        at = self.index(a)
        if a[at].size and a[at].ndim:
            a[at] += self.beside(a[at])
            a[at] *= 0.5
        return

    def crossed(self):
        """A write of what is read elsewhere in the same memory."""
        a = self.any()
        if not a.ndim or a.shape[0] < 2:
            return
        kind = self.rng.integers(4)
        if kind == 0:
            a[1:] = a[:-1]
        elif kind == 1:
            a[...] = a[::-1] * 0.9
        elif kind == 2:
            a[:-1] += a[1:] * 0.4
        else:
            a[0], a[-1] = a[-1] * 1, a[0] * 1
        return

    def out(self):
        a = self.any()
        b = self.beside(a)
        self.xp.add(a, b, out=a)
        self.xp.tanh(a, out=a)
        return

    def copied(self):
        return self.fresh(self.any().copy())

    def reduced(self):
        a = self.any()
        if not a.ndim:
            return self.small(a.sum())
        axes = self.one_of([None, 0, -1, tuple(int(i) for i in range(int(self.rng.integers(1, a.ndim + 1))))])
        keep = bool(self.rng.integers(2))
        made = [lambda: a.sum(axes, keepdims=keep), lambda: a.mean(axes, keepdims=keep), lambda: a.max(axes, keepdims=keep)]
        made += [lambda: (a * a).sum(axes, keepdims=keep), lambda: self.xp.exp(a - a.max()).sum(axes, keepdims=keep)]
        return self.small(self.xp.asarray(self.one_of(made)()))

    def product(self):
        a, b = self.any(2), self.any(2)
        k = min(a.shape[1], b.shape[0])
        return self.small(a[:, :k] @ b[:k])

    def products(self):
        a, b = self.any(3), self.any(2)
        b = b.swapaxes(0, 1) if self.rng.integers(2) else b
        k = min(a.shape[2], b.shape[0])
        return self.small(a[..., :k] @ b[:k])

    def chosen(self):
        a = self.any()
        if not a.ndim or a.shape[0] < 4:
            return None
        i = self.ids if self.rng.integers(2) else np.array([0, 3, 1, 3])
        return self.fresh(a[i] * 1)

    def two_chosen(self):
        a = self.any(2)
        if min(a.shape) < 4:
            return None
        return self.fresh(a[self.ids, self.xp.asarray(np.arange(3))[:, None]] * 1)

    def counted(self):
        a = self.any()
        if not a.ndim:
            return None
        steps = self.xp.asarray(np.arange(a.shape[-1]) * 0.0137)
        at = (a + steps).argmax(-1)
        return self.small((at == 1) * 0.5 + at * 0.1)

    def where(self):
        a = self.any()
        b, c = self.beside(a), self.beside(a)
        return self.fresh(self.xp.where(a > 0.0123, b, c) * self.xp.ones_like(a))

    def logical(self):
        a = self.any()
        b = (a > 0.0123) & (a < 0.517) | ~(a >= -0.23)
        return self.small(b * a + b.astype(a.dtype))

    def joined(self):
        a = self.any()
        if not a.ndim:
            return None
        axis = int(self.rng.integers(a.ndim))
        if self.rng.integers(2):
            return self.fresh(self.xp.stack([a, a * 0.5], axis))
        return self.fresh(self.xp.concatenate([a, -a, a], axis))[(slice(None),) * axis + (slice(1, 1 + a.shape[axis]),)]

    def filled(self):
        a = self.any()
        made = self.xp.zeros(a.shape, a.dtype)
        made[self.index(made)] = 0.25
        return made

    def late(self):
        """A result that is used only after what it was computed from has been overwritten."""
        a = self.any()
        if not a.ndim:
            return None
        made, into = self.fresh(a * 0.7), self.fresh(self.any().copy())
        a[self.index(a)] = 0.4
        if self.rng.integers(2):
            return self.small(made.sum(0, keepdims=True))
        into = into if into.shape == a.shape else self.xp.ones((2, *a.shape), a.dtype)[0]
        at = self.index(a)
        into[at] = made[at]
        return into

    def constants(self):
        return self.xp.asarray(np.linspace(-0.5, 0.5, 10).reshape(2, 5), dtype=self.dtype) * 1

    def written_constants(self):
        a = self.xp.asarray(np.linspace(-0.5, 0.5, 10).reshape(2, 5), dtype=self.dtype)
        self.known.append(self.fresh(a * 0.5))
        a[self.index(a)] = 0.1
        return a

    def recurrent(self):
        x, w = self.any(2), self.any(2)
        n = min(w.shape)
        w, h = w[:n, :n], self.xp.zeros((n,), w.dtype)[None]
        out = self.xp.zeros((3, n), w.dtype)
        for t in range(3):
            h = self.xp.tanh(h @ w + x[t % x.shape[0], :1])
            out[t] = h[0]
        return out

    def scanned(self):
        """Two loops: the second one reads what the first one has kept."""
        a, xp, kinds = self.any(3), self.xp, self.rng.integers(4, size=4).tolist()
        beside = self.beside(a[0])
        beside = beside.astype(a.dtype) if hasattr(beside, "astype") else beside
        n = int(self.rng.integers(1, a.shape[-1] + 1))

        def step(t, s):
            new = self.fresh(a[..., t, :, :] * 0.5 + s)
            if kinds[0]:
                new[..., :n] *= 0.5
                xp.tanh(new, out=new)
                new[..., -n:] += s[..., :n] * 0.3
            other = new - beside if kinds[1] else xp.concatenate((s[..., n:], new[..., :n]), -1)
            return xp.tanh(other), (new, (s, other.sum(-1, keepdims=True)))

        def back(t, state):
            d, e = state
            new, (s, total) = kept[t]
            return (e + new * total, xp.tanh(d * s)), d - e

        final, kept = scan(xp, a.shape[-3], step, xp.zeros_like(a[0]) if kinds[2] else a[0] * 0.2)
        (d, e), last = scan(xp, len(kept), back, (final, final * 2), reverse=bool(kinds[3]))
        self.known += [self.fresh(kept.part(0).stacked() * 1), self.small(d), self.small(last.stacked())]
        return self.small(e + kept.stacked(lambda k: k[1][1]).sum())

    def narrower(self):
        a = self.any()
        return self.fresh(a.astype(np.float64).astype(a.dtype))


OPERATIONS = {
    name: method
    for name, method in vars(Program).items()
    if callable(method) and list(method.__code__.co_varnames[: method.__code__.co_argcount]) == ["self"]
}


def traced(program):
    """The function of a program."""
    shapes = {name: (a.shape, a.dtype) for name, a in program.arrays.items()}
    return CompiledFunction(lambda given: program.run(ArrayModule(), given), shapes)


def traced_for_gpu(program, whole):
    """The function of a program in CUDA C, in one launch or in turns."""
    shapes = {name: (a.shape, a.dtype) for name, a in program.arrays.items()}
    return CudaFunction(lambda given: program.run(ArrayModule(), given), shapes, whole)


def check(programs, whole=None):
    """Compile the programs in one file; each gives what NumPy gives. Returns the failures: seed -> what is wrong.

    whole: None: in C for the processor, otherwise in CUDA C.
    """
    if whole is None:
        functions, failures = [traced(program) for program in programs], {}
        together(functions)
    else:
        functions, failures = [traced_for_gpu(program, whole) for program in programs], {}
        cuda_function.together(functions)
    for program, function in zip(programs, functions, strict=True):
        with np.errstate(all="ignore"):
            expected = program.run(np, {name: a.copy() for name, a in program.arrays.items()})
        own = {name: a.copy() for name, a in program.arrays.items()}
        found = {**function(own), **{name: own[name] for name in STATES}}
        wrong = compared(found, expected, TOLERANCE[program.dtype])
        if wrong:
            failures[program.seed] = wrong
    return failures


def compared(found, expected, tolerance):
    """What differs, or nothing."""
    for name, a in expected.items():
        a = np.asarray(a)
        b = found[name]
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"{name}: {b.dtype} {b.shape} instead of {a.dtype} {a.shape}"
        if not np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True):
            return f"{name}: differs by {np.abs(a - b).max():.3g}"
    return ""
