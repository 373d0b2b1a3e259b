"""Names of components: what a person can type in a command, `optimizer=NAME` or `probes.NAME.option=1`."""

from __future__ import annotations

import re

TAKEN = {  # kind -> names of stackprop's own that are not registered
    "command": (
        *("check", "compare", "delete", "describe", "diff", "doctor", "evaluate", "export", "figure", "forecast"),
        *("generate", "kernel", "list", "new-plugin", "open", "plugins", "predict", "report", "rerun", "resume", "save"),
        *("summary", "tag", "ui", "watch"),
    ),
    "figure": (
        *("loss", "gradient_norms", "gradient_flow", "gradient_by_lag", "activations", "confusion", "filters"),
        *("feature_maps", "learning", "predicted", "residuals", "comparison", "importance", "parallel"),
    ),
}
WORDS = ("null", "true", "false", "yes", "no", "on", "off", "nan", "inf")  # YAML or Hydra reads a value instead
NUMBER = r"\d[\da-f_.+xob-]*"  # 1e5, 0x1f, 2026-01-02


def name_error(name: object, is_key: bool) -> str:
    """Why a component cannot have that name; empty if it can.

    Args:
        is_key: whether the name is a part of keys (`probes.NAME.option`): it then begins with a letter and has no dot.
    """
    allowed = r"[a-z_][\w-]*" if is_key else r"\w[\w.-]*"
    signs = "letters a-z, digits, _ -" if is_key else "letters a-z, digits, _ - ."
    if not isinstance(name, str) or not re.fullmatch(allowed, name, re.ASCII | re.IGNORECASE):
        first = ", a letter first," if is_key else ""
        near = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") if isinstance(name, str) else ""
        hint = f"; did you mean '{near}'?" if near and near != name and not name_error(near, is_key) else ""
        return f"not a valid name, as a command could not hold it; {signs}{first} are allowed{hint}"
    if name.lower() in WORDS or re.fullmatch(NUMBER, name, re.ASCII | re.IGNORECASE):
        return f"not a valid name, as a command would read a value; 'my_{name}' can be typed"
    return ""
