"""How many bytes this machine has free."""

from __future__ import annotations

import os

UNKNOWN = 2 << 30  # bytes taken to be free where the system does not tell


def free_bytes() -> int:
    """Bytes of memory that are free here."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            told = dict(line.split(":") for line in file)
        return int(told["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        pass
    try:
        return int(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return UNKNOWN


def in_words(count: float) -> str:
    """`3.2 GB`, with the unit that fits."""
    units = ["bytes", "kB", "MB", "GB", "TB", "PB"]
    while count >= 1000 and len(units) > 1:
        count, units = count / 1000, units[1:]
    return f"{count:.3g} {units[0]}"
