"""Errors that the code of a component raises, as messages that name the component and its line."""

from __future__ import annotations

import linecache
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from framework.core.errors import ConfigError

FRAMEWORK = str(Path(__file__).resolve().parents[1])
STANDARD = sysconfig.get_path("stdlib")
PACKAGES = tuple({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
LIBRARIES = (
    "numpy",
    "cupy",
    "scipy",
    "pandas",
    "sklearn",
    "hydra",
    "omegaconf",
    "mlflow",
    "matplotlib",
    "_pytest",
    "pluggy",
)


def blame(error: BaseException, component: str) -> None:
    """Note which component an exception passes through; the innermost one stays. An error of the request names it itself."""
    if not (hasattr(error, "component") or isinstance(error, ConfigError)):
        error.component = component  # type: ignore[attr-defined]
        error.add_note(f"in {component}")


@contextmanager
def blamed(parts: Iterable[tuple[str, Any]]) -> Iterator[None]:
    """Note which component an exception passes through: the innermost of `parts`, or in them, whose method it leaves. It
    does nothing before there is an exception.

    Args:
        parts: names for messages, such as `optimizer`, and components.
    """
    try:
        yield
    except Exception as error:
        _blame_one(error, parts)
        raise


def _blame_one(error: Exception, parts: Iterable[tuple[str, Any]]) -> None:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    known = [pair for name, part in parts for pair in _nested(name, part)]
    for own in map(_self, reversed(frames)):
        if names := [name for name, part in known if type(part) is type(own)]:  # a stack has copies of it
            method = next(frame.f_code.co_name for frame in frames if _self(frame) is own)
            who = f"{' or '.join(dict.fromkeys(names))} ({type(own).__name__})"
            blame(error, who if method == "__call__" else f"{who}: {method}")
            return


def _self(frame: FrameType) -> Any:
    return frame.f_locals.get("self")


def _nested(name: str, component: Any) -> Iterator[tuple[str, Any]]:
    """A component, and those in its options."""
    if is_dataclass(component):
        yield name, component
        for f in fields(component):
            yield from _nested(f"{name}.{f.name}", getattr(component, f.name))


def place(error: BaseException) -> str:
    """The last line of a component's code that an exception has passed, `my.py, line 12`; empty if there is none."""
    return next((f"{Path(file).name}, line {line}" for file, line in reversed(_lines(error)) if _is_component(file)), "")


def files(error: BaseException) -> list[str]:
    """The files of components' code that an exception has passed."""
    return [file for file, _ in _lines(error) if _is_component(file)]


def described(error: BaseException) -> str:
    """An exception in one line: its component if noted, its type, its text and its place."""
    who, text, where = getattr(error, "component", ""), " ".join(str(error).split()), place(error)
    return f"{f'{who}: ' if who else ''}{type(error).__name__}{f': {text}' if text else ''}{f' ({where})' if where else ''}"


def is_message(error: BaseException) -> bool:
    """Whether an exception has a message for the user: a ValueError that the framework raises, or the code of a component,
    `raise ValueError(...)`; not one of an operation in that code, such as `float("abc")`."""
    if not isinstance(error, ValueError):
        return isinstance(error, MemoryError)
    file, line = _lines(error)[-1]
    words = linecache.getline(file, line).split()
    return file.startswith(FRAMEWORK) or (_is_component(file) and (not words or "raise" in words))


@contextmanager
def named(component: str) -> Iterator[None]:
    """Report an exception of a component's code as an error of the request.

    Args:
        component: what it is called, `dataset 'mine'`.

    Raises:
        ConfigError: the code raised what is neither an error of the request nor one of the system.
    """
    try:
        yield
    except Exception as error:
        if is_message(error) or not place(error) or (isinstance(error, OSError) and error.strerror):
            raise
        raise ConfigError(f"{component} raises {described(error)}") from error


def _lines(error: BaseException) -> list[tuple[str, int]]:
    trace: TracebackType | None = error.__traceback__
    return [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(trace)]


def _is_component(file: str) -> bool:
    if file.startswith(("<frozen", FRAMEWORK)):
        return False
    package = next((file[len(folder) + 1 :] for folder in PACKAGES if file.startswith(folder)), None)
    if package is not None:
        return not package.startswith(LIBRARIES)
    return not file.startswith(STANDARD)
