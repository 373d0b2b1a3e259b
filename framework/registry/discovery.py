"""Fills the registry once, from entry points and single files: the built-in plugins and third-party ones.

A plugin is a module with functions marked `@hookimpl`. An error in one plugin is reported and does not affect the others.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import hashlib
import inspect
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pluggy

from framework import hooks
from framework.core.errors import RegistrationError
from framework.core.log import log
from framework.core.options import option
from framework.core.trust import is_trusted, trust, trusts_all
from framework.core.version import GROUP
from framework.registry.installed import disabled, is_disabled, is_ours, points, summary
from framework.registry.registry import Registry, Source

LARGEST = 1 << 24  # bytes of a single file
SLOW = 1.0  # seconds; the import of a plugin that takes longer is reported


class Plugin(NamedTuple):
    """A module that may hold hooks; `name` is its name in the registry, `label` its name in messages."""

    label: str
    name: str
    module: Any


def discover() -> Registry:
    """The registry of everything installed, and of single files. A plugin that fails does not affect the others;
    `registry.problems` has the reason."""
    return _scoped.get() or everything()


_scoped: ContextVar[Registry | None] = ContextVar("registry", default=None)


@contextlib.contextmanager
def scope(registry: Registry) -> Iterator[None]:
    """Use another registry while a recorded run is restored: its files may not be those of this process."""
    token = _scoped.set(registry)
    try:
        yield
    finally:
        _scoped.reset(token)


def everything() -> Registry:
    """The registry of this process."""
    return without(disabled())


@functools.cache
def without(names: frozenset[str]) -> Registry:
    """The registry of everything installed, except the third-party plugins with these names."""
    problems: list[str] = []
    found = list(points(problems))
    registry = registry_of(point for point in found if not is_disabled(point, names))
    registry.problems[:0] = problems
    registry.disabled = [label(point) for point in found if is_disabled(point, names)]
    return registry


def registry_of(found: Iterable[EntryPoint]) -> Registry:
    """The registry that these entry points fill."""
    registry = Registry()
    plugins: dict[str, Plugin] = {}
    # Built-ins first, so that the later plugin is the one rejected when names clash.
    for point in sorted(found, key=lambda p: (not is_ours(p), p.name)):
        who, started = label(point), time.perf_counter()
        if point.value in plugins:
            registry.problems.append(f"{who} is ignored: '{point.value}' is {plugins[point.value].label} already")
            continue
        try:
            plugins[point.value] = Plugin(who, point.value, point.load())
            registry.sources[point.value] = _source(point)
        except (Exception, SystemExit) as error:  # an error in a third-party module must not stop the others
            registry.problems.append(f"{who} could not be loaded: {summary(error)}")
        if (took := time.perf_counter() - started) > SLOW and not is_ours(point) and "COMP_LINE" not in os.environ:
            log.warning(f"{who} took {took:.1f} s to import; disable_plugins=[{point.name}] leaves it out")
    registry.problems += _read(plugins.values(), registry)
    return registry


def label(point: EntryPoint) -> str:
    """A plugin in messages."""
    return f"plugin '{point.name}' of {(point.dist and point.dist.name) or 'an unknown distribution'}"


def _source(point: EntryPoint) -> Source:
    return Source(point.dist.name or "", str(getattr(point.dist, "version", "") or "")) if point.dist else Source()


class UntrustedError(RegistrationError):
    """Third-party code that this user has not run here before."""


class Code(NamedTuple):
    """A single file to load.

    Attributes:
        path: as given; it identifies the file's components.
        source: where its text is read: the file itself, or the copy in a run's folder.
    """

    path: str
    source: Path


def load_files(paths: Iterable[str | Path], by_user: bool = True) -> None:
    """Add the components of single `.py` files to the registry of this process. A file is read once, and again after a
    change.

    Args:
        by_user: whether the user names the files. Files that a preset or a record names run only with content that this user
        has run here before.

    Raises:
        UntrustedError: a file is not trusted.
        RegistrationError: with the file and the reason; nothing of that file is registered then.
    """
    for path in paths:
        load_code(Code(str(path), Path(path).expanduser().resolve()), discover(), by_user)


def load_code(code: Code, registry: Registry, by_user: bool) -> None:
    """Add the components of one file to a registry; see `load_files`."""
    file, text = Path(code.path).expanduser().resolve(), text_of(code)
    found = hashlib.sha256(text).hexdigest()
    if by_user or trusts_all():
        trust(found, file)
    elif not is_trusted(found):
        raise UntrustedError(
            f"{code.source}: a recorded run or a preset names this code, which you have not run here (SHA-256 {found}); "
            f"read it first; --trust or plugins=[{code.source}] runs it"
        )
    if registry.files.get(file) == found:
        return
    if file in registry.files:  # the earlier content
        registry.forget_file(file)
    plugin = Plugin(code.path, code.path, _module(code, text, found))
    registry.sources[code.path] = Source(file=str(file), sha256=found)
    problems = list(_read([plugin], registry))
    if problems:
        registry.forget(code.path)
        del sys.modules[plugin.module.__name__]
        raise RegistrationError("\n".join(problems))
    registry.files[file], registry.code[found] = found, text


def text_of(code: Code) -> bytes:
    """The content of the file.

    Raises:
        RegistrationError: this file does not exist, or it cannot be a plugin.
    """
    shown, file = code.path, code.source
    if not file.is_file():
        near = _closest(file.name, [other.name for other in file.parent.glob("*.py")])
        raise RegistrationError(f"{shown}: this file does not exist" + (f"; did you mean '{near}'?" if near else ""))
    if file.suffix != ".py":
        raise RegistrationError(f"{shown}: a plugin must be a Python file (.py)")
    try:
        if file.stat().st_size > LARGEST:
            raise RegistrationError(f"{shown}: a plugin may have {LARGEST >> 20} MiB at most")
        return file.read_bytes()
    except OSError as error:
        raise RegistrationError(f"{shown}: it cannot be read ({error.strerror})") from error


def _module(code: Code, text: bytes, found: str) -> ModuleType:
    """The module of that text, under a unique name."""
    file = code.source
    place = hashlib.blake2b(f"{file}{found}".encode(), digest_size=4).hexdigest()
    name = f"stackprop_file_{file.stem}_{place}"
    module = sys.modules[name] = ModuleType(name)  # dataclasses look up their module there
    module.__file__ = str(file)
    try:
        exec(compile(text, str(file), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise RegistrationError(f"{_place(error, file, code.path)}: {summary(error)}") from error
    return module


def _place(error: BaseException, file: Path, shown: str) -> str:
    """The file, and the line of it at which an import failed."""
    if isinstance(error, SyntaxError):
        return f"{shown if error.filename == str(file) else error.filename}, line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f"{shown}, line {lines[-1]}" if lines else shown


def _read(plugins: Iterable[Plugin], registry: Registry) -> Iterator[str]:
    """Call the hooks of these plugins; yields the errors."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hooks)
    for plugin in plugins:
        try:
            yield from _mistakes(manager, plugin)
            manager.register(plugin.module, name=plugin.name)
        except (Exception, SystemExit) as error:
            yield f"{plugin.label} could not be loaded: {summary(error)}"
    for hook in hooks.HOOKS:  # presets last: their names are checked against those of components
        for impl in getattr(manager.hook, hook).get_hookimpls():
            yield from _call(hook, impl, registry)


def _mistakes(manager: pluggy.PluginManager, plugin: Plugin) -> Iterator[str]:
    """Hooks that would never be called: misspelt names, and functions without the decorator."""
    marked = {name for name in dir(plugin.module) if manager.parse_hookimpl_opts(plugin.module, name) is not None}
    functions = [name for name, _ in inspect.getmembers(plugin.module, inspect.isfunction)]
    bare = [name for name in functions if name.startswith("register_") and name not in marked]
    for name in sorted(marked - set(hooks.HOOKS)):
        yield f"{plugin.name}: unknown hook '{name}'{_hint(name)}; the hooks are {', '.join(hooks.HOOKS)}"
    for name in bare:
        if name in hooks.HOOKS:
            yield f"{plugin.name}: {name} is never called; add the decorator @hookimpl"
        elif _hint(name):
            yield f"{plugin.name}: {name} is not a hook and is never called{_hint(name)}; add the decorator @hookimpl"
    if not marked and not bare:
        yield f"{plugin.name}: it has no hook and registers nothing; mark a function such as register_layers with @hookimpl"


def _hint(name: str) -> str:
    kind = _closest(name.removeprefix("register_"), [hook.removeprefix("register_") for hook in hooks.HOOKS])
    return f"; did you mean 'register_{kind}'?" if kind else ""


def _closest(word: str, names: Sequence[str]) -> str:
    return next(iter(difflib.get_close_matches(word, names, 1)), "")


def _call(hook: str, impl: Any, registry: Registry) -> list[str]:
    """Let a hook register its components; returns the errors."""
    problems: list[str] = []

    def noted(add: Callable[..., None], *given: Any) -> None:
        try:
            add(*given, impl.plugin_name)
        except RegistrationError as error:
            problems.extend(str(error).splitlines())

    def register(name: str, component: Any) -> None:
        noted(registry.add, hooks.KINDS[hook], name, component)

    def register_folder(folder: str | Path) -> None:
        noted(registry.add_presets, folder)

    try:
        impl.function(register if hook in hooks.KINDS else register_folder)
    except (Exception, SystemExit) as error:
        brings = hook.removeprefix("register_")
        problems.append(f"plugin '{impl.plugin_name}' failed to register its {brings}: {summary(error)}")
    return problems


def registered(kind: str, name: str, *, inherit: bool = True, help: str = "") -> Any:
    """A dataclass field that holds a component.

    Without a value in a configuration, the configuration group `kind` gives it. A class built in Python without a value uses
    the registered component `name`. With `inherit=False` it is `name` in both cases.
    """
    return option(lambda: discover().get(kind, name)(), group=kind if inherit else None, help=help)
