"""Entry points to names: finds every installed plugin, the built-in ones included, and fills the registry once."""

from __future__ import annotations

import functools
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from framework import hooks
from framework.components import option
from framework.registry import RegistrationError, Registry

GROUP = "stackprop"


@functools.cache
def discover() -> Registry:
    """The registry of everything installed. A plugin that fails costs only itself; `registry.problems` says why."""
    return registry_of(entry_points(group=GROUP))


def registry_of(points: Any) -> Registry:
    """The registry that these entry points fill."""
    registry = Registry()
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hooks)
    # Built-ins first, so that a clash of names is the newcomer's.
    for point in sorted(points, key=lambda p: (not p.value.startswith("framework_"), p.name)):
        _import(point, manager, registry)
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        registry.problems.append(f"{error.plugin.__name__}: {error}; the hooks are {', '.join(hooks.KINDS)}")  # type: ignore[attr-defined]
    for hook, kind in hooks.KINDS.items():
        for impl in getattr(manager.hook, hook).get_hookimpls():
            _register(kind, impl, registry)
    return registry


def _import(point: EntryPoint, manager: pluggy.PluginManager, registry: Registry) -> None:
    owner = point.dist.name if point.dist else "an unknown distribution"
    try:
        manager.register(point.load(), name=point.value)
    except Exception as error:  # whatever a stranger's module raises must not stop the others
        registry.problems.append(f"plugin '{point.name}' of {owner} could not be loaded: {type(error).__name__}: {error}")


def _register(kind: str, impl: Any, registry: Registry) -> None:
    def register(name: str, component: Any) -> None:
        try:
            registry.add(kind, name, component, impl.plugin_name)
        except RegistrationError as error:
            registry.problems.append(str(error))

    try:
        impl.function(register)
    except Exception as error:
        registry.problems.append(
            f"plugin '{impl.plugin_name}' failed to register its {kind}s: {type(error).__name__}: {error}"
        )


def registered(kind: str, name: str, *, help: str = "") -> Any:
    """An option that is itself a component.

    Its value comes from the configuration group `kind` where a configuration says nothing, and is the registered
    component `name` where a class is built in Python without one.
    """
    return option(lambda: discover().get(kind, name)(), group=kind, help=help)
