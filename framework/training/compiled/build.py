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
import time
from importlib.util import find_spec
from pathlib import Path

from framework.training.compiled import cache
from framework.training.compiled.products import Machine

# Without vectors of straight code: gcc 12 then adds up chosen rows wrongly, where one is chosen twice. Loops keep theirs.
STRAIGHT = "-fno-tree-slp-vectorize"
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fno-finite-math-only", STRAIGHT, "-fPIC", "-std=gnu11")
# Not with -ffast-math: at link time it would change how the whole process treats the smallest numbers.
LINK = ("-O3", "-shared", "-fPIC")  # Zig compiles its runtime for that level once: 5 s, without it 30 s
_spent: list[float] = []


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


def version() -> str:
    """The version of the C compiler, as it prints it."""
    return next(iter(_run([*compiler(), "--version"]).splitlines()), "")


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
        NoCompilerError: it cannot be compiled or loaded; the message gives the reason.
    """
    flags = flags or FLAGS
    words = " ".join([*compiler(), *flags, _processor(), source])
    name, why = hashlib.sha256(words.encode()).hexdigest()[:24], ""
    for folder in cache.folders():
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if cache.is_own(folder):
                return ctypes.CDLL(str(cache.find(folder, name) or _compiled(source, folder, name, flags)))
            why = f"{folder}: others may write to it"
        except OSError as error:  # nothing can be written there, or code there may not run
            why = f"{folder}: {error.strerror or error}"
    raise NoCompilerError(f"no folder for compiled steps can be used ({why}); XDG_CACHE_HOME names another one")


def seconds() -> float:
    """The time that this process has spent on compiling."""
    return sum(_spent)


def _compiled(source: str, target: Path, name: str, flags: tuple[str, ...]) -> Path:
    """Compile, and keep the library."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=target) as folder:
        code, built, linked = (Path(folder, f"step.{end}") for end in ("c", "o", "so"))
        code.write_text(source)
        _run([*compiler(), *flags, "-c", str(code), "-o", str(built)])
        _run([*compiler(), *LINK, str(built), "-o", str(linked), "-lm"])
        library = cache.keep(target, name, linked, code)
    _spent.append(time.perf_counter() - start)
    return library


def _run(command: list[str]) -> str:
    name = " ".join(compiler())
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise NoCompilerError(f"the C compiler '{name}' cannot be run: {error.strerror}") from error
    if done.returncode:
        lines = done.stderr.splitlines()
        first = next((line for line in lines if "error" in line), lines[0] if lines else f"exit status {done.returncode}")
        raise NoCompilerError(f"the C compiler '{name}' failed: {first[:200]}")
    return done.stdout


@functools.cache
def _processor() -> str:
    """The processor's name and features: what was compiled for another one may not run here."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
        return "".join(line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part")))
    except OSError:
        return platform.processor() + platform.machine()
