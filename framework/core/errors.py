"""The exceptions raised when a request, data or a run is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class StillRunning(RuntimeError):  # noqa: N818
    """A run's process is still alive."""


class RunFailed(RuntimeError):  # noqa: N818
    """A run did not reach its end; the message says why, its folder has the details."""


class JobsFailed(RunFailed):
    """Jobs of a sweep did not reach their end; each failure was printed when it happened."""


class DataError(ValueError):
    """A file of data cannot be used; the message names the file, the position in it, and the remedy."""


LISTED = 24  # maximum number of names in a message


class RegistrationError(ValueError):
    """A plugin registers something that cannot be a component."""


class UnknownComponentError(LookupError):
    """No component of that kind has that name."""


def did_you_mean(word: str, names: Iterable[object]) -> str:
    """The tail of an error message: the closest of `names`, and all of them."""
    known = [str(name) for name in names]
    close = difflib.get_close_matches(str(word), known, 1) or [name for name in known if word and name.startswith(str(word))]
    hint = f"; did you mean '{close[0]}'?" if close else ""
    if not known:
        return " (none are available)"
    shown = ", ".join(sorted(known)[:LISTED]) + (f" and {len(known) - LISTED} more" if len(known) > LISTED else "")
    return f"{hint} (there are: {shown})"


class ConfigError(ValueError):
    """The request is invalid; the message has one line for each error."""


class ContractError(ConfigError):
    """A component does not return what its kind must return."""


class TierError(ConfigError):
    """The requested tier cannot be used here."""


class CheckpointError(ValueError):
    """A file is not a checkpoint, or is damaged."""
