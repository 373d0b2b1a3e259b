"""Compile C, and keep what was compiled: a shared library for each source, compiler and processor."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from framework.training.compiled.products import Machine

# Without vectors of straight code: gcc 12 then adds up chosen rows wrongly, where one is chosen twice. Loops keep theirs.
STRAIGHT = "-fno-tree-slp-vectorize"
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fno-finite-math-only", STRAIGHT, "-fPIC", "-std=gnu11")
# Not with -ffast-math: at link time it would change how the whole process treats the smallest numbers.
LINK = ("-shared", "-fPIC")


class NoCompilerError(RuntimeError):
    """There is no C compiler, or it cannot compile the step."""


@functools.cache
def compiler() -> tuple[str, ...]:
    """The C compiler as words of a command: CC, cc, gcc, clang, or Zig's.

    Raises:
        NoCompilerError: there is none.
    """
    for name in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        if name and shutil.which(name.split()[0]):
            return tuple(name.split())
    if find_spec("ziglang"):
        return (sys.executable, "-m", "ziglang", "cc")
    raise NoCompilerError("there is no C compiler; install one (Debian: apt install gcc), or pip install ziglang")


@functools.cache
def machine() -> Machine:
    """What the processor offers, as the compiler sees it."""
    seen = _run([*compiler(), "-march=native", "-dM", "-E", "-x", "c", os.devnull])
    if "__AVX512F__" in seen:
        return Machine(64, 12, 2)
    return Machine(32, 6, 2) if "__AVX2__" in seen else Machine(16, 6, 2)


def load(source: str, flags: tuple[str, ...] = ()) -> ctypes.CDLL:
    """The library of a source, compiled now or before.

    Args:
        flags: of the compiler; by default `FLAGS`.

    Raises:
        NoCompilerError: it cannot be compiled; the message is the compiler's.
    """
    flags = flags or FLAGS
    words = " ".join([*compiler(), *flags, _processor(), source])
    name = hashlib.sha256(words.encode()).hexdigest()[:24]
    for folder in _folders():
        library = folder / f"{name}.so"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not _is_own(folder):
                continue
            if library.is_file():
                return ctypes.CDLL(str(library))
            return ctypes.CDLL(str(_compiled(source, library, flags)))
        except OSError:  # the folder cannot be written, or what lies there cannot be loaded
            continue
    raise NoCompilerError("no folder for compiled steps can be written; XDG_CACHE_HOME names another one")


def _is_own(folder: Path) -> bool:
    """Whether nobody else can put a library there."""
    found = folder.stat()
    return found.st_uid == os.getuid() and not found.st_mode & 0o022


def _compiled(source: str, library: Path, flags: tuple[str, ...]) -> Path:
    """Compile, and put the library in place in one step: others may do the same at the same time."""
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        code, built, linked = (Path(folder, f"step.{end}") for end in ("c", "o", "so"))
        code.write_text(source)
        _run([*compiler(), *flags, "-c", str(code), "-o", str(built)])
        _run([*compiler(), *LINK, str(built), "-o", str(linked), "-lm"])
        os.replace(linked, library)
        os.replace(code, library.with_suffix(".c"))
    return library


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[:200])
        raise NoCompilerError(f"{' '.join(command[:3])} ... failed: {first}")
    return done.stdout


def _folders() -> list[Path]:
    """Where compiled steps are kept; the second one where the first cannot be written."""
    shared = Path(tempfile.gettempdir()) / f"stackprop-compiled-{os.getuid()}"
    try:
        own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # no home
        return [shared]
    return [own / "stackprop" / "compiled", shared]


@functools.cache
def _processor() -> str:
    """The processor's name and features: what was compiled for another one may not run here."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
        return "".join(line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part")))
    except OSError:
        return platform.processor() + platform.machine()
