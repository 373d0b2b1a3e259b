"""Cache folders for libraries where the user has no home: in a container with a user id without an account, or on a
read-only file system."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

CACHES = ("MPLCONFIGDIR",)  # where Matplotlib keeps its own


def variables() -> dict[str, str]:
    """Environment variables to add: HOME where it is missing, since MLflow cannot be imported without it;
    cache folders where the home is not writable."""
    try:
        home = Path.home()
    except RuntimeError:
        return {"HOME": str(temporary())}
    if os.access(home, os.W_OK):
        return {}
    missing = [name for name in CACHES if name not in os.environ]
    return {name: str(temporary() / name.partition("_")[0].lower()) for name in missing}


def temporary() -> Path:
    """A folder of this user in the system's temporary folder, the same for every process."""
    folder = Path(tempfile.gettempdir()) / f"stackprop-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()
    if stat.S_ISDIR(about.st_mode) and (not hasattr(os, "getuid") or about.st_uid == os.getuid()):
        return folder
    return Path(tempfile.mkdtemp(prefix="stackprop-"))  # another user owns that name
