"""The installed distributions that have plugins: their entry points and versions, and those that are disabled."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator
from importlib.metadata import EntryPoint, distributions

from framework.core.errors import RegistrationError, did_you_mean
from framework.core.version import GROUP, normalized

_DISABLED: set[str] = set()  # names of plugins or of their distributions, of this process


def points(problems: list[str]) -> Iterator[EntryPoint]:
    """The entry points of every distribution; of two distributions with one name, those of the first on the path. One whose
    metadata cannot be read does not affect the others; `problems` gets the reason."""
    seen = set()
    for distribution in distributions():
        try:
            found = distribution.entry_points.select(group=GROUP)
            name = normalized(distribution.name) if found else ""
            if found and name not in seen:
                seen.add(name)
                yield from found
        except Exception as error:
            where = getattr(distribution, "_path", "a distribution")
            problems.append(f"{where}: its metadata cannot be read: {summary(error)}")


def summary(error: BaseException) -> str:
    """An exception in one line."""
    text = error.msg if isinstance(error, SyntaxError) else error
    return f"{type(error).__name__}: {' '.join(str(text).split())}"


def is_ours(point: EntryPoint) -> bool:
    """Whether a plugin belongs to stackprop's own distribution, whatever its module is called."""
    return point.dist is not None and normalized(point.dist.name) == GROUP


def names_of(point: EntryPoint) -> tuple[str, str]:
    """The names by which a plugin can be disabled: its own, and that of its distribution."""
    return point.name, normalized(point.dist.name if point.dist else "")


@functools.cache
def third_party() -> tuple[EntryPoint, ...]:
    """The entry points of all other distributions than stackprop; nothing is imported."""
    return tuple(point for point in points([]) if not is_ours(point))


def versions() -> dict[str, str]:
    """The third-party distributions with plugins, and their versions; nothing is imported."""
    found = {point.dist.name: str(point.dist.version) for point in third_party() if point.dist}
    return dict(sorted(found.items()))


def disabled() -> frozenset[str]:
    """The names of the plugins, or of their distributions, that this process does not load."""
    return frozenset(_DISABLED)


def disable(names: Iterable[str]) -> None:
    """Do not load these plugins; all others are loaded again.

    Args:
        names: of plugins (`torn`), or of their distributions (`stackprop-torn`).

    Raises:
        RegistrationError: a plugin of that name is not installed.
    """
    chosen = set(names)
    known = {name for point in third_party() for name in names_of(point) if name}
    for name in sorted(chosen - known):
        raise RegistrationError(f"unknown plugin '{name}'{did_you_mean(name, known)}; those of stackprop stay")
    _DISABLED.clear()
    _DISABLED.update(chosen)


def is_disabled(point: EntryPoint, names: Collection[str]) -> bool:
    """Whether a third-party plugin is among those names."""
    return not is_ours(point) and any(name in names for name in names_of(point))
