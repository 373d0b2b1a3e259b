"""A hash of what a configuration trains."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from framework.tracking.naming import KEYS as ABOUT

UNHASHED = ("tracking", "callbacks", "figures", "disable_plugins", *ABOUT)  # keys that do not change what is trained
LATER = ("folds", "fold")  # keys that older records lack, where they mean null


def without_labels(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without the name, the tags and the notes of the run, which `run.json` holds: they may change later."""
    return {key: value for key, value in tree.items() if key not in ABOUT}


def config_hash(tree: Mapping[str, Any]) -> str:
    """A hash that is equal for two runs if and only if they train the same thing, wherever they are tracked."""
    hashed = {key: value for key, value in tree.items() if key not in UNHASHED and not (key in LATER and value is None)}
    if isinstance(trainer := hashed.get("trainer"), Mapping):
        hashed["trainer"] = {
            key: value for key, value in trainer.items() if key != "checkpoint_at_end" and not _idle(key, value)
        }
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:16]


def _idle(key: str, value: Any) -> bool:
    """Whether a key of `trainer` that older records lack has no effect."""
    return key == "prune" and not (isinstance(value, Mapping) and value.get("at"))
