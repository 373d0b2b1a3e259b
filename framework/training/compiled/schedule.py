"""Which values of a graph are computed where: what is inlined, written in place, or put together into one loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from framework.training.compiled.graph import Read, Value, whole

NEAR = 8  # kernels back that a loop may be joined to


@dataclass(eq=False)
class Kernel:
    """Values that are computed together: one loop of maps of one shape, or a single reduction, product or copy.

    Attributes:
        parts: each value with the place that it is written to.
    """

    parts: list[tuple[Value, Read]] = field(default_factory=list)

    @property
    def op(self) -> str:
        """The operation of all its values."""
        return self.parts[0][0].op


class Schedule:
    """
    Args:
        outputs: the name of an output -> its value. An input of the same name is overwritten by it.
        is_given: which values are in memory before.

    Attributes:
        kernels: in order.
        together: those that run as one, row by row; see `rows`.
        root: value -> the value whose memory it has.
        inlined: values that are computed where they are read.
    """

    def __init__(self, outputs: Mapping[str, Value], is_given: Callable[[Value], bool] | None = None) -> None:
        self.outputs = outputs
        self.is_given = is_given or (lambda value: value.op in ("input", "constant"))
        self.order = self._reached()
        for value in self._computed():
            value.args = tuple(self._seen_through(arg, value) if isinstance(arg, Read) else arg for arg in value.args)
        self.order = self._reached()
        self.uses: dict[int, list[tuple[Value, Read]]] = {value.id: [] for value in self.order}
        for value in self._computed():
            for read in value.reads:
                self.uses[read.value.id].append((value, read))
        self.ends = {value.id for value in outputs.values()}
        self.root: dict[int, Value] = {}
        self.writes: dict[int, list[tuple[int, Read]]] = {}  # root -> (when, where) it is written again
        self._share_memory()
        self.inlined: set[int] = set()
        self.sunk: dict[int, Value] = {}  # value -> the update that it is computed for
        self._place()
        self.kernels: list[Kernel] = []
        self.together: list[tuple[Kernel, ...]] = []
        self._make_kernels()

    def _reached(self) -> list[Value]:
        """Everything that the outputs need, in order."""
        found: dict[int, Value] = {}
        stack = list(self.outputs.values())
        while stack:
            value = stack.pop()
            if value.id not in found:
                found[value.id] = value
                stack += [] if self.is_given(value) else [read.value for read in value.reads]
                stack += value.detail["loop"].states if value.op == "loop" else []  # a step needs all of them
        return [found[i] for i in sorted(found)]

    def _computed(self) -> list[Value]:
        return [value for value in self.order if not self.is_given(value)]

    def _seen_through(self, read: Read, user: Value) -> Read:
        """A read past plain copies, and past a change to a wider type, which the reader makes itself."""
        value = read.value
        if value.op != "map" or value.detail["fn"] != "id" or user.op not in ("map", "reduce", "matmul"):
            return read
        source = value.args[0]
        if not isinstance(source, Read) or not source.is_whole or self.is_given(value):
            return read
        same = source.value.dtype == value.dtype
        wider = (
            value.dtype.kind == "f"
            and source.value.dtype.kind in "fb"
            and source.value.dtype.itemsize <= value.dtype.itemsize
            and user.op == "map"
        )
        if not same and not wider:
            return read
        return self._seen_through(Read(source.value, read.shape, read.strides, read.offset, read.steps), user)

    # ---- memory

    def _share_memory(self) -> None:
        """An update overwrites what it updates where nothing else reads that later; a new state, the old one."""
        states = {value.detail["name"]: value for value in self.order if value.op == "input"}
        state_of = {value.id: states[name] for name, value in self.outputs.items() if name in states}
        for value in self.order:
            self.root[value.id] = value
            if self.is_given(value):
                continue
            if value.op == "update":
                base = value.args[0].value
                if base.id not in self.ends and self._is_last(base, value) and self._may_write(base):
                    self._join(value, base, value.detail["region"])
            elif value.op == "map" and value.id in state_of:
                state = state_of[value.id]
                own = [read for read in value.reads if self.root[read.value.id] is state]
                in_place = all(read.is_whole and read.shape == value.shape for read in own)
                if in_place and self._is_last(state, value, strictly=True):
                    self._join(value, state, whole(value))

    def _may_write(self, value: Value) -> bool:
        root = self.root[value.id]
        if root.op == "input":
            return root.detail["name"] in self.outputs
        return not self.is_given(root) and not (value.op == "fill" and len(self.uses[value.id]) > 1)

    def _is_last(self, value: Value, user: Value, strictly: bool = False) -> bool:
        """Whether nothing but `user` reads the value, or another with its memory, from then on."""
        root = self.root[value.id]
        others = [v for v in self.order if v.id <= user.id and self.root.get(v.id) is root and v is not user]
        late = [u for v in others for u, _ in self.uses[v.id] if u is not user and u.id > user.id]
        alone = sum(u is user for u, _ in self.uses[value.id]) == 1 or strictly
        return alone and not late

    def _join(self, value: Value, other: Value, where: Read) -> None:
        root = self.root[other.id]
        self.root[value.id] = root
        self.writes.setdefault(root.id, []).append((value.id, where))

    # ---- place

    def _place(self) -> None:
        for value in reversed(self.order):
            if value.id in self.ends or self.is_given(value):
                continue
            uses = self.uses[value.id]
            updated = any(user.op == "update" and read is user.args[0] for user, read in uses)
            if value.op == "fill" and not updated and all(user.op != "matmul" for user, _ in uses):
                self.inlined.add(value.id)
            if len(uses) != 1 or value.op not in ("map", "reduce", "matmul"):
                continue
            ((user, read),) = uses
            if not (read.is_whole and read.shape == value.shape) or self.root[value.id] is not value:
                continue
            if user.op == "update" and read is user.args[1]:
                region: Read = user.detail["region"]
                rows = value.op != "matmul" or region.strides[-1] == 1 or region.shape[-1] == 1
                if rows and not self._is_touched(value, user, region):
                    self.sunk[value.id] = user
            elif value.op == "map" and user.op in ("reduce", "argmax") and not self._is_touched(value, user, None):
                self.inlined.add(value.id)

    def _is_touched(self, value: Value, user: Value, region: Read | None) -> bool:
        """Whether what the value reads is overwritten before the user computes it, or by that itself elsewhere."""
        last = self.when(user)
        for read in self.leaves(value):
            for at, where in self.writes.get(self.root[read.value.id].id, ()):
                if value.id < at < last:
                    return True
                if at == last and not (value.op == "map" and region is not None and read.same_places(where)):
                    return True
        return False

    def when(self, value: Value) -> int:
        """The id of the value at whose turn it is computed."""
        while value.id in self.sunk or (value.id in self.inlined and value.op == "map"):
            value = self.sunk[value.id] if value.id in self.sunk else self.uses[value.id][0][0]
        return value.id

    def leaves(self, value: Value) -> Iterator[Read]:
        """What is read from memory to compute a value."""
        for read in value.reads:
            if value.op == "update" and read is value.args[0]:
                continue
            if read.value.id not in self.inlined:
                yield read
            elif read.value.op == "map":
                yield from self.leaves(read.value)

    # ---- kernels

    def _make_kernels(self) -> None:
        group, loops = Kernel(), set()
        for value in self._computed():
            if value.id in self.inlined or value.id in self.sunk or value.detail.get("is_empty"):
                continue
            if value.op == "loop":
                loop = value.detail["loop"]
                if loop not in loops:
                    group = self._closed(group)
                    self.kernels.append(Kernel([(v, whole(v)) for v in self.order if v.detail.get("loop") is loop]))
                loops.add(loop)
                continue
            source, place = value, whole(value)
            if value.op == "update":
                base, read = value.args
                if self.root[value.id] is value:
                    group = self._closed(group)
                    self.kernels.append(Kernel([(_copy(base, value), whole(value))]))
                place = replace(value.detail["region"], value=value)
                source = read.value if self.sunk.get(read.value.id) is value else _copy(read, value)
            if source.op != "map":
                group = self._closed(group)
                self.kernels.append(Kernel([(source, place)]))
                continue
            if (
                value.size == 1
                and group.parts
                and group.parts[0][1].shape != place.shape
                and self._is_apart(group, source, place)
            ):
                self.kernels.append(Kernel([(source, place)]))  # a number, computed before the loop, does not end it
                continue
            if not self._fits(group, source, place):
                group = self._closed(group)
            group.parts.append((source, place))
        self._closed(group)
        self._join_earlier()

    def _join_earlier(self) -> None:
        """Put a loop into an earlier one over the same indices, past kernels that have nothing to do with it."""
        kernels: list[Kernel] = []
        for kernel in self.kernels:
            earlier = self._earlier(kernels, kernel) if kernel.op == "map" else None
            if earlier is None:
                kernels.append(kernel)
            else:
                earlier.parts += kernel.parts
        self.kernels = kernels

    def _earlier(self, kernels: Sequence[Kernel], kernel: Kernel) -> Kernel | None:
        read, written = self._touched(kernel)
        for other in reversed(kernels[-NEAR:]):
            if other.op == "map" and self._all_fit(other, kernel):
                return other
            before, after = self._touched(other)
            if read & after or written & (before | after):
                return None
        return None

    def _touched(self, kernel: Kernel) -> tuple[set[int], set[int]]:
        """The memory that a kernel reads, and that it writes."""
        read = {self.root[read.value.id].id for part, _ in kernel.parts for read in self.leaves(part)}
        return read, {self.root[to.value.id].id for _, to in kernel.parts}

    def _all_fit(self, group: Kernel, kernel: Kernel) -> bool:
        together = Kernel(list(group.parts))
        for part, place in kernel.parts:
            if not self._fits(together, part, place):
                return False
            together.parts.append((part, place))
        return True

    def _closed(self, group: Kernel) -> Kernel:
        if group.parts:
            self.kernels.append(group)
        return Kernel()

    def _is_apart(self, group: Kernel, value: Value, place: Read) -> bool:
        """Whether a map neither reads nor overwrites what the group writes, nor overwrites what it reads."""
        read, written = self._touched(group)
        own = {self.root[read.value.id].id for read in self.leaves(value)}
        return not (own & written) and self.root[place.value.id].id not in written | read

    def _fits(self, group: Kernel, value: Value, place: Read) -> bool:
        """Whether a map may be computed in the loop of the group: at each index, after the others."""
        if not group.parts:
            return True
        if group.parts[0][1].shape != place.shape:
            return False
        own = {part.id for part, _ in group.parts}
        places = [(self.root[to.value.id].id, to) for _, to in group.parts]
        for read in self.leaves(value):
            if read.value.id in own and read.is_whole and read.shape == place.shape:
                continue
            if any(root == self.root[read.value.id].id for root, _ in places):
                return False
        target = self.root[place.value.id].id
        before = [read for part, _ in group.parts for read in self.leaves(part)]
        clear = all(read.same_places(place) for read in before if self.root[read.value.id].id == target)
        return clear and all(to.same_places(place) or to.is_apart(place) for root, to in places if root == target)


def _copy(read: Read, like: Value) -> Value:
    return Value("map", read.shape, like.dtype, (read,), {"fn": "id"})
