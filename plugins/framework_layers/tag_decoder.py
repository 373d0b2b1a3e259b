from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from framework import Array, Cell, Context, Initializer, Params, Shape, T, discover, option, registered, row_sums
from framework_layers._rows import rows, unfolded
from framework_layers._tag_feedback import FORCED, TagFeedback
from framework_layers.one_hot import chosen
from framework_layers.recurrent import Recurrent

DRAW = 100  # of the teacher; a cell that draws has the first numbers


@dataclass(frozen=True)
class TagDecoder:
    """s_t = cell(x_t W + F_{t-1} W_T + b, s_{t-1}),  T_t = h_t W_ts + b_T,  y_t = T_t W_y + b_y: a decoder that reads the
    tag of the step before. h is the cell's output, T the tag vector; the softmax is in the loss.

    Backward: dT_t = dy_t W_y^T + what the step after reads, dh_t += dT_t W_ts^T; dF_{t-1} = da_t W_T^T.

    feedback: vector, F_t = T_t, and the gradient flows through it; tag, F_t = E[argmax y_t], a learnt row for each tag;
    none, F = 0, which is a plain decoder, as W_T = 0 is. F_0 = 0.

    Teacher forcing: in training, F_t is E[correct tag] with the probability e, drawn per step and example, and the own one
    otherwise. e falls from `teacher` to `teacher_end` over `teacher_steps` training steps: linear, or exponential, e =
    teacher (teacher_end / teacher)^(step / teacher_steps). In evaluation the correct tags are never read.

    Shapes: x (..., T, N, F), W (..., F, gates units), b (..., 1, gates units), the tensors of the cell; W_T (..., tags,
    gates units); W_ts (..., units, tags), b_T (..., 1, tags); W_y (..., tags, K), b_y (..., 1, K); E (..., K, tags), if tags
    or a teacher are read; y, dy (..., T, N, K); mask (..., T, N): where it is 0 a step does not change the state.

    Zheng et al. (2017), with the notes' names (W_Ti, W_Ty; see errata E6): an LSTM with peepholes reads the tag vector in
    every gate. `teacher`: auto is 1 for tags and 0 for vectors. The mixture is scheduled sampling, Bengio et al. (2015).
    """

    outputs: ClassVar[str] = "raw"
    reverse: ClassVar[bool] = False
    cell: Cell = option(help="one step of the decoder: peephole_lstm, lstm, gru ...")
    feedback: Literal["vector", "tag", "none"] = option("vector", help="what is fed back: tag vector, tag, or nothing")
    units: int | Literal["auto"] = option("auto", least=1, help="number of outputs K; auto: from the target")
    tags: int | Literal["auto"] = option("auto", least=1, help="size of T and F; auto: K")
    gold: str = option("y", help="the batch field of correct tags, for a teacher")
    teacher: float | Array | Literal["auto"] = option(
        "auto", least=0, most=1, stackable=True, help="probability of reading the correct tag, in training"
    )
    teacher_end: float | Array = option(0.0, least=0, most=1, stackable=True, help="that probability, at the end")
    teacher_steps: int | None = option(None, least=1, help="training steps until then; null: it stays the same")
    decay: Literal["linear", "exponential"] = option("linear", help="how the probability falls")
    mask: str = option("mask", help="the batch field of 0 and 1 for the steps, if there is one")
    initializer: Initializer = registered("initializer", "xavier_uniform", help="initial values of W, W_T, W_ts, W_y and E")

    @property
    def buffers(self) -> tuple[str, ...]:
        """The buffers of the cell."""
        return self._steps.buffers

    @property
    def project(self) -> Any:
        """The projection of the cell, if it has one."""
        return self._steps.project

    @property
    def reads_target(self) -> bool:
        """Whether training reads the correct tags."""
        probability = self._teacher
        return self.feedback != "none" and not (isinstance(probability, int | float) and probability == 0)

    @property
    def feeds_tags(self) -> bool:
        """Whether a step reads the tag before, so that a beam search may give it another one, see `with_tags`."""
        return self.feedback == "tag"

    @property
    def _teacher(self) -> float | Array:
        return float(self.feedback == "tag") if isinstance(self.teacher, str) else self.teacher

    @property
    def _size(self) -> tuple[int, int]:
        """K, and the size of a tag vector."""
        K = self.units
        assert isinstance(K, int)
        return K, K if isinstance(self.tags, str) else self.tags

    @property
    def _steps(self) -> Recurrent:
        """The loop over time, whose output is h."""
        if self.feedback == "none":
            return Recurrent(self.cell, mask=self.mask, initializer=self.initializer)
        forced = not isinstance(self.teacher, str)
        cell = TagFeedback(self.cell, self._size[0], self.feedback == "vector", forced)
        return Recurrent(cell, mask=self.mask, initializer=self.initializer)

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Params, Shape]:
        if len(in_shape) != 2 or isinstance(in_shape[0], tuple):
            raise ValueError(f"tag_decoder reads one sequence (T, F) (got {in_shape}); let it read a recurrent layer")
        if isinstance(self.units, str):
            raise ValueError("units: auto needs a layer that a loss reads and compares with a target; give a number")
        self._check()
        p, (steps, h) = self._steps.init(rng, in_shape)
        (K, tags), draw = self._size, self.initializer
        p |= {"W_ts": draw(rng, (h, tags)), "b_T": np.zeros((1, tags)), "W_y": draw(rng, (tags, K)), "b_y": np.zeros((1, K))}
        if self.feedback != "none":
            p["W_T"] = np.concatenate([draw(rng, (tags, h)) for _ in range(self.cell.gates)], -1)
        if self.feedback == "tag" or (self.feedback == "vector" and not isinstance(self.teacher, str)):
            p["E"] = draw(rng, (K, tags))
        return p, (steps, K)

    def _check(self) -> None:
        """Reject options that have no effect, or no value."""
        if self.feedback == "none" and not isinstance(self.teacher, str):
            raise ValueError(f"teacher: nothing is fed back with feedback: none (got {self.teacher}); leave it at auto")
        falls = self.teacher_steps is not None and self.decay == "exponential"
        if falls and min(self._teacher, self.teacher_end) == 0:
            raise ValueError(
                f"teacher_end: an exponential decay needs both ends above 0 (got {self._teacher} and {self.teacher_end})"
            )

    def forward(self, p: Params, x: Array, ctx: Context) -> tuple[Array, Any]:
        h, steps = self._steps.forward(p, x, self._with_forced(x, ctx))
        tags = rows(h) @ p["W_ts"] + p["b_T"]
        return unfolded(tags @ p["W_y"] + p["b_y"], h), Decoded(steps, h, tags)

    def backward(self, p: Params, cache: Any, dy: Array, ctx: Context, need_dx: bool = True) -> tuple[Array | None, Params]:
        dys, steps = rows(dy), self._steps
        dT, h = dys @ T(p["W_y"]), rows(cache.h)
        grads = {"W_y": T(cache.tags) @ dys, "b_y": row_sums(dys, ctx.xp)}
        out = {"W_ts": T(h) @ dT, "b_T": row_sums(dT, ctx.xp)}
        dx, further = steps.backward(p, cache.steps, unfolded(dT @ T(p["W_ts"]), dy), ctx, need_dx)
        return dx, {**further, **grads, **_added(out, further)}

    def terms(self, p: Params, cache: Any, dy: Array, ctx: Context) -> Params:
        """The gradients by time step, (..., T, i, o): their sum over T is what `backward` gives."""
        dT, dh = self._to_h(p, dy)
        found = {"W_y": T(unfolded(cache.tags, dy)) @ dy, "b_y": dy.sum(-2, keepdims=True)}
        out = {"W_ts": T(cache.h) @ dT, "b_T": dT.sum(-2, keepdims=True)}
        further = self._steps.terms(p, cache.steps, dh, ctx)
        return {**further, **found, **_added(out, further)}

    def flow(self, p: Params, cache: Any, dy: Array, ctx: Context, direct: bool = False) -> Array:
        """The gradient with respect to the state after each step, (..., T, N, S); see the recurrent layer."""
        return self._steps.flow(p, cache.steps, self._to_h(p, dy)[1], ctx, direct)[..., : self.cell.state]

    @staticmethod
    def carry(cache: Any) -> Array:
        """The final state (..., N, S): that of the cell, and what the next step reads."""
        return cache.steps.final

    def with_tags(self, s: Array, tags: Array) -> Array:
        """A state (..., N, S) whose next step reads the given tags (..., N) instead of its own, for a beam search."""
        one_hot = (tags[..., None] == np.arange(self._size[0])).astype(s.dtype)
        return np.concatenate((s[..., : self.cell.state], one_hot), -1)

    def trace(self, cache: Any, ctx: Context) -> dict[str, Array]:
        """The parts of the cell's state after each step, its further values, and F: name -> (..., T, N, k)."""
        found = self._steps.trace(cache.steps, ctx)
        if self.feedback == "none":
            return found
        parts = getattr(self.cell, "parts", ("state",))
        states = ctx.xp.split(found.pop("state")[..., : self.cell.state], len(parts), -1)
        return dict(zip(parts, states, strict=True)) | found

    def _to_h(self, p: Params, dy: Array) -> tuple[Array, Array]:
        """dT and dh, (..., T, N, k), from the output alone."""
        dT = rows(dy) @ T(p["W_y"])
        return unfolded(dT, dy), unfolded(dT @ T(p["W_ts"]), dy)

    def _with_forced(self, x: Array, ctx: Context) -> Context:
        """The context of the steps: in training, with the correct tags where the teacher forces them."""
        gold = ctx.batch.get(self.gold) if ctx.train and self.reads_target else None
        if gold is None:
            return ctx
        forced = chosen(gold, self._size[0], x.dtype, ctx)
        if not (self.teacher_steps is None and isinstance(self._teacher, int | float) and self._teacher == 1):
            forced = forced * (ctx.uniform(forced[..., :1], DRAW) < self._probability(forced, ctx))
        return ctx.but(batch={**ctx.batch, FORCED: forced})

    def _probability(self, like: Array, ctx: Context) -> float | Array:
        """Of reading the correct tag, at this training step."""
        first = ctx.per(self._teacher, like)
        if self.teacher_steps is None:
            return first
        end, xp = ctx.per(self.teacher_end, like), ctx.xp
        done = xp.minimum(xp.asarray(ctx.step / self.teacher_steps, like.dtype), 1)
        return first + (end - first) * done if self.decay == "linear" else first * (end / first) ** done

    @staticmethod
    def examples() -> list[tuple[TagDecoder, Shape]]:
        lstm = discover().get("cell", "peephole_lstm")(2)
        gru = discover().get("cell", "gru")(3)
        return [
            (TagDecoder(lstm, units=3), (None, 4)),
            (TagDecoder(gru, "tag", 3, tags=2), (None, 4)),
            (TagDecoder(lstm, "vector", 3, tags=2, teacher=0.5, teacher_steps=5), (None, 4)),
            (TagDecoder(lstm, "none", 3), (None, 4)),
        ]


class Decoded(NamedTuple):
    """The cache of a forward pass: that of the steps, h (..., T, N, units), and the tag vectors (..., T N, tags)."""

    steps: Any
    h: Array
    tags: Array


def _added(out: Params, further: Params) -> Params:
    """Gradients by the output, and by the feedback where there is one."""
    return {name: g + further[name] if name in further else g for name, g in out.items()}
