"""A home for what libraries keep between processes, where the user has none: in a container whose user number stands for
nobody, or with a file system that is only read."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

CACHES = ("MPLCONFIGDIR", "NUMBA_CACHE_DIR")  # where Matplotlib and Numba keep theirs


def variables() -> dict[str, str]:
    """What the environment lacks: HOME where there is none, since MLflow cannot be imported then and Numba makes a folder
    named `~`; places of caches where it cannot be written."""
    try:
        home = Path.home()
    except RuntimeError:
        return {"HOME": str(temporary())}
    if os.access(home, os.W_OK):
        return {}
    missing = [name for name in CACHES if name not in os.environ]
    return {name: str(temporary() / name.partition("_")[0].lower()) for name in missing}


def temporary() -> Path:
    """A folder of this user among the temporary ones, the same one every time."""
    folder = Path(tempfile.gettempdir()) / f"stackprop-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()
    if stat.S_ISDIR(about.st_mode) and (not hasattr(os, "getuid") or about.st_uid == os.getuid()):
        return folder
    return Path(tempfile.mkdtemp(prefix="stackprop-"))  # somebody else was there first
