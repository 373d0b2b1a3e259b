"""Reads and limits the free memory of this machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

UNKNOWN = 2 << 30  # bytes assumed to be free where the system does not report it


def free_bytes() -> int:
    """Bytes of memory that are free here."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            entries = dict(line.split(":") for line in file)
        return int(entries["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        pass
    try:
        return int(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return UNKNOWN


def format_bytes(count: float) -> str:
    """`3.2 GB`, with the unit that fits."""
    units = ["bytes", "kB", "MB", "GB", "TB", "PB"]
    while count >= 1000 and len(units) > 1:
        count, units = count / 1000, units[1:]
    return f"{count:.3g} {units[0]}"


@contextlib.contextmanager
def limited(share: float = 0.5) -> Iterator[None]:
    """Limit memory in this block: a request for more than this fraction of the free memory raises MemoryError at once, where
    the system supports that."""
    try:
        import resource

        with open("/proc/self/status", encoding="ascii") as file:
            entries = dict(line.split(":", 1) for line in file)
        taken = int(entries["VmData"].split()[0]) << 10
    except (ImportError, OSError, KeyError, ValueError):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = taken + int(share * free_bytes())
    most = min([wanted, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)])
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
