"""Checks of what has a forward and a backward pass: layers, activations, losses, regularizers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from framework.testing.stacks import LEADS, context, equal, spread, stacked
from framework.testing.subjects import Differentiable, N

GRADIENT_TOLERANCE = 1e-6


def check_gradient(component: Any, about: Differentiable) -> None:
    """The gradient equals a central difference along random directions, for every replica."""
    for lead in LEADS:
        part, _, _, inputs = stacked(component, about, lead)
        ctx = context(lead)
        grads = about.run(part, inputs, ctx).grads
        for name in inputs.keys() - set(about.fixed):
            assert name in grads, f"no gradient for '{name}'"
            direction = np.random.default_rng(7).standard_normal(inputs[name].shape)
            h = 1e-6
            up, down = (about.run(part, inputs | {name: inputs[name] + s * direction}, ctx).value for s in (h, -h))
            numeric = (up - down) / (2 * h)
            analytic = (grads[name] * direction).sum(tuple(range(len(lead), direction.ndim)))
            scale = np.abs(numeric) + np.abs(analytic) + 1e-3
            worst = float(np.max(np.abs(numeric - analytic) / scale))
            assert worst < GRADIENT_TOLERANCE, f"gradient of '{name}', replica axes {lead}: relative error {worst:.1e}"


def check_shapes(component: Any, about: Differentiable) -> None:
    """Outputs keep the replica axes; a gradient has the shape of what it is the gradient of."""
    for lead in LEADS:
        part, _, _, inputs = stacked(component, about, lead)
        result = about.run(part, inputs, context(lead))
        assert result.output.shape[: len(lead)] == lead, f"output {result.output.shape} lost the replica axes {lead}"
        assert result.value.shape == lead, f"value {result.value.shape}, not one per replica {lead}"
        for name, grad in result.grads.items():
            assert grad.shape == inputs[name].shape, f"gradient of '{name}' is {grad.shape}, not {inputs[name].shape}"


def check_stack_law(component: Any, about: Differentiable) -> None:
    """Slice r of the stack equals replica r alone."""
    for lead in LEADS[1:]:
        part, lone, each, inputs = stacked(component, about, lead)
        together = about.run(part, inputs, context(lead))
        for r, (member, one) in enumerate(zip(lone, each, strict=True)):
            at = np.unravel_index(r, lead)
            alone = about.run(member, one, replace(context(()), keys=(r,)))
            equal(together.output[at], alone.output, f"output of replica {r}")
            for name, grad in alone.grads.items():
                equal(together.grads[name][at], grad, f"gradient of '{name}', replica {r}")


def check_shared(component: Any, about: Differentiable) -> None:
    """An input with a replica axis of length 1 means the same as that input repeated for every replica."""
    lead = (3,)
    part, _, _, inputs = stacked(component, about, lead)
    for name in filter(about.shareable, inputs):
        one = inputs[name][:1]
        repeated = about.run(part, inputs | {name: np.repeat(one, 3, 0)}, context(lead))
        shared = about.run(part, inputs | {name: one}, context(lead))
        equal(spread(shared.output, repeated.output), repeated.output, f"output with a shared '{name}'")
        for other in shared.grads.keys() - {name}:
            full = repeated.grads[other]
            equal(spread(shared.grads[other], full), full, f"gradient of '{other}'")


def check_pure(component: Any, about: Differentiable) -> None:
    """Inputs stay as they are."""
    part, _, _, inputs = stacked(component, about, (3,))
    before = {name: a.copy() for name, a in inputs.items()}
    about.run(part, inputs, context((3,)))
    for name, a in inputs.items():
        assert np.array_equal(a, before[name]), f"'{name}' was modified"


def check_dtype(component: Any, about: Differentiable) -> None:
    """float32 stays float32."""
    part, _, _, inputs = stacked(component, about, (3,))
    inputs = {name: a.astype(np.float32) if a.dtype == np.float64 else a for name, a in inputs.items()}
    result = about.run(part, inputs, context((3,)))
    for name, a in {"output": result.output, **result.grads}.items():
        assert a.dtype == np.float32, f"{name} of float32 inputs is {a.dtype}"


def check_strides(component: Any, about: Differentiable) -> None:
    """Inputs that do not lie in one piece give the same numbers."""
    part, _, _, inputs = stacked(component, about, (3,))
    plain = about.run(part, inputs, context((3,)))
    apart = about.run(part, {name: np.repeat(a, 2, -1)[..., ::2] for name, a in inputs.items()}, context((3,)))
    for name, a in {"output": plain.output, **plain.grads}.items():
        equal({"output": apart.output, **apart.grads}[name], a, f"{name} of strided inputs")


def check_determinism(component: Any, about: Differentiable) -> None:
    """The same context gives the same numbers, and the global random state is left alone."""
    part, _, _, inputs = stacked(component, about, (3,))
    before = repr(np.random.get_state())
    first, second = (about.run(part, inputs, context((3,))) for _ in range(2))
    assert repr(np.random.get_state()) == before, "the global random state was used"
    assert np.array_equal(first.output, second.output), "two passes with one context differ"
    for name, a in first.grads.items():
        assert np.array_equal(a, second.grads[name]), f"two gradients of '{name}' with one context differ"


def check_need_dx(layer: Any, about: Differentiable) -> None:
    """Without need_dx there is no dx, and the other gradients are the same."""
    _, _, _, inputs = stacked(layer, about, ())
    run: Any = about.run
    full, spared = run(layer, inputs, context(())), run(layer, inputs, context(()), need_dx=False)
    assert not [name for name in spared.grads if name.startswith("x")], "dx was returned although nobody needs it"
    for name, grad in spared.grads.items():
        equal(grad, full.grads[name], f"gradient of '{name}' without dx")


def check_parameters(layer: Any, about: Differentiable) -> None:
    """Every tensor has two core axes, and a gradient if and only if it is no buffer."""
    _, _, _, inputs = stacked(layer, about, ())
    tensors = {name: a for name, a in inputs.items() if name.startswith("p.")}
    for name, a in tensors.items():
        assert a.ndim == 2, f"'{name}' has shape {a.shape}, not two core axes"
    trained = tensors.keys() - {f"p.{name}" for name in getattr(layer, "buffers", ())}
    got = {name for name in about.run(layer, inputs, context(())).grads if name.startswith("p.")}
    assert got == trained, f"gradients of {sorted(got)}, trained tensors {sorted(trained)}"


def check_mask(loss: Any, about: Differentiable) -> None:
    """A mask of ones means no mask; an example of weight 0 counts for nothing."""
    _, _, _, inputs = stacked(loss, about, ())
    y, t, ctx = inputs["y"], inputs["t"], context(())
    for a, b in zip(loss(y, t, ctx), loss(y, t, ctx, np.ones(N)), strict=True):
        equal(np.asarray(a), np.asarray(b), "a mask of ones")
    mask = np.ones(N)
    mask[-1] = 0
    value, dy = loss(y, t, ctx, mask)
    fewer, _ = loss(y[:-1], t[:-1], ctx)
    equal(np.asarray(value), np.asarray(fewer), "a masked example")
    assert not dy[-1].any(), "a masked example has a gradient"
    assert np.isfinite(loss(y, t, ctx, 0 * mask)[0]), "a mask of zeros gives no number"


GENERAL: Mapping[str, Callable[[Any, Differentiable], None]] = {
    "gradient": check_gradient,
    "shapes": check_shapes,
    "stack_law": check_stack_law,
    "shared": check_shared,
    "pure": check_pure,
    "dtype": check_dtype,
    "strides": check_strides,
    "determinism": check_determinism,
}
EXTRA: Mapping[str, Mapping[str, Callable[[Any, Differentiable], None]]] = {
    "layer": {"need_dx": check_need_dx, "parameters": check_parameters},
    "loss": {"mask": check_mask},
}
