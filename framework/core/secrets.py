"""The recorded form of a configuration: references to the environment instead of their values, and no password.

A run's folder is shown, mailed and sent to a tracking store. A value from `${oc.env:NAME}` belongs to the user and may be a
password. The record holds `${oc.env:NAME}`, which means the same wherever that variable is set.
"""

from __future__ import annotations

import json
import marshal
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from framework.core.errors import ConfigError

URI = "MLFLOW_TRACKING_URI"
HIDDEN = "***"
USER = re.compile(r"(?<=://)([^/?#\s:@]*):[^/?#\n]*@")  # up to the last @ before the path: a password may hold one
QUERY = re.compile(
    r"([?&;][\w.-]*(?:password|passwd|pwd|token|secret|api_?key|access_?key|sig|signature))=[^&;#\s'\"]+", re.I
)
ENV = re.compile(r"\$\{oc\.env:\s*(\w+)\s*(?:,\s*([^{}]*?)\s*)?\}")  # nothing nested
SUSPECT = re.compile(r"\$\{|://|[?&;]")  # in references, and in what is masked
NODE = re.compile(r"\$\{([\w.]+)\}")
MOST = 1000  # parts that are remembered
_plain: dict[bytes | str, bool] = {}
RESOLVERS = {"oc.env", "oc.decode", "oc.create"}  # of OmegaConf; allowed in a recorded reference


def masked(text: str) -> str:
    """A text in which the passwords of addresses are `***`: `https://ann:***@host`, `?token=***`."""
    return QUERY.sub(rf"\1={HIDDEN}", USER.sub(rf"\1:{HIDDEN}@", text))


def withheld(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """A command without the password in `tracking.uri`, and the environment variables that hold it instead.

    Raises:
        ConfigError: a sweep has several such addresses.
    """
    out, environment = list(words), dict[str, str]()
    for place, word in enumerate(words):
        key, _, value = word.partition("=")
        if key.lstrip("+") != "tracking.uri" or masked(value) == value:
            continue
        if value.count("://") > 1:
            raise ConfigError(f"tracking.uri: one address with a password at a time (got {masked(value)})")
        out[place], environment[URI] = f"{key}=${{oc.env:{URI}}}", value.strip("'\"")
    return out, environment


def recorded(raw: Any, value: Any, root: Any = None) -> Any:
    """The tree to record.

    Args:
        raw: the unresolved configuration.
        value: the same, resolved.
    """
    root = raw if root is None else root
    if isinstance(value, Mapping):
        if raw is root and isinstance(raw, Mapping):
            return {k: v if _is_plain(raw.get(k), v) else recorded(raw.get(k), v, root) for k, v in value.items()}
        return {k: recorded(raw.get(k) if isinstance(raw, Mapping) else None, v, root) for k, v in value.items()}
    reference = _reference(raw, root) if isinstance(raw, str) else ""
    if reference:
        return reference
    if isinstance(value, list):
        parts = raw if isinstance(raw, list) and len(raw) == len(value) else [None] * len(value)
        return [recorded(part, v, root) for part, v in zip(parts, value, strict=True)]
    return masked(value) if isinstance(value, str) else value


def _is_plain(raw: Any, value: Any) -> bool:
    """Whether surely nothing came from the environment, and nothing is masked; most parts are such, in each of many jobs."""
    try:
        known: bytes | str = marshal.dumps((raw, value), 2)
    except ValueError:  # a type of which marshal knows nothing
        known = repr((raw, value))
    if known not in _plain:
        if len(_plain) >= MOST:
            _plain.clear()
        _plain[known] = not SUSPECT.search(json.dumps([raw, value], default=str))
    return _plain[known]


def _reference(raw: str, root: Any) -> str:
    """A value with references instead of what the environment gave; empty if nothing came from it. A default replaces a
    variable that is not set: the record holds the value used, not the one elsewhere."""
    text, used, before = raw, dict[str, str](), ""
    while before != text and len(text) < 10_000:
        before = text
        text = NODE.sub(lambda found: _node(root, found), text)
        text = ENV.sub(lambda found: _variable(found, used), text)
    for mark, name in used.items():
        text = text.replace(mark, f"${{oc.env:{name}}}")
    return text if used else ""


def _node(root: Any, found: re.Match[str]) -> str:
    """The value of another key that comes from the environment."""
    for part in found[1].split("."):
        root = root.get(part) if isinstance(root, Mapping) else None
    return root if isinstance(root, str) and "${" in root else found[0]


def _variable(found: re.Match[str], used: dict[str, str]) -> str:
    if found[1] not in os.environ:
        return found[2] or ""
    mark = f"\0{found[1]}\0"
    used[mark] = found[1]
    return mark


def restored(tree: Any, where: str, path: str = "", hint: str = "") -> Any:
    """A recorded tree with the current values of the environment.

    Args:
        where: the file it was read from.
        hint: the address of the store, without its password.

    Raises:
        ConfigError: a variable is not set, or a password is needed again.
    """
    if isinstance(tree, Mapping):
        return {k: restored(v, where, f"{path}.{k}" if path else str(k), hint) for k, v in tree.items()}
    if isinstance(tree, list):
        return [restored(v, where, f"{path}.{i}", hint) for i, v in enumerate(tree)]
    if not isinstance(tree, str):
        return tree
    if path == "tracking.uri" and HIDDEN in tree:
        return _with_password(tree, where)
    found = re.findall(r"\$\{([^:}]*)", tree)
    if "oc.env" not in found or not set(found) <= RESOLVERS:
        return tree
    missing = [name for name in re.findall(r"\$\{oc\.env:\s*(\w+)", tree) if name not in os.environ]
    if missing:
        was = f" (it was {hint})" if hint and path == "tracking.uri" else ""
        raise ConfigError(f"{where}: {path}: its value came from the environment; set {missing[0]}{was}")
    from omegaconf import OmegaConf

    return OmegaConf.to_container(OmegaConf.create({"value": tree}), resolve=True)["value"]  # type: ignore[call-overload, index]


def _with_password(uri: str, where: str) -> str:
    """The whole address of a store: from the environment, or from the user and password variables of MLflow."""
    whole = os.environ.get(URI, "")
    if whole and masked(whole) == uri:
        return whole
    if "MLFLOW_TRACKING_PASSWORD" in os.environ:
        return USER.sub("", uri)
    raise ConfigError(f"{where}: tracking.uri: the password of {uri} is not recorded; set {URI} to the whole address")
