"""Kernels that threads share: a kernel is cut into parts, and whoever is free takes the next one.

A part is always the same piece of the same arrays, on one thread or on many: the numbers do not depend on the
threads. Nobody waits for a thread that has not begun a part, so that a busy machine costs little.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

WORTH = 6e-6  # seconds of a kernel from which on it is cut: handing out a part takes a fraction of a microsecond
PART = 3e-6  # seconds that a part should take at least
MOST = 8  # parts

RUNTIME = r"""
#include <sched.h>
#if defined(__x86_64__) || defined(__i386__)
#define PAUSE() __builtin_ia32_pause()
#else
#define PAUSE() ((void)0)
#endif
/* What a part needs: pointers, numbers of the step, and numbers of time steps. */
struct job { void (*part)(const struct job *, int64_t); void **p; const double *s; const int64_t *t; };
/* ticket: a count of kernels << 32, and how many parts of the kernel are left. */
struct team { uint64_t ticket; char a[56]; int64_t done; char b[56]; const struct job *job; int64_t stop; };

static int take(struct team *team) {
  uint64_t ticket = __atomic_load_n(&team->ticket, __ATOMIC_ACQUIRE);
  while (ticket & 0xffffffff) {
    if (__atomic_compare_exchange_n(&team->ticket, &ticket, ticket - 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
      const struct job *job = __atomic_load_n(&team->job, __ATOMIC_ACQUIRE);
      job->part(job, (int64_t)(ticket & 0xffffffff) - 1);
      __atomic_fetch_add(&team->done, 1, __ATOMIC_RELEASE);
      return 1;
    }
  }
  return 0;
}
static void rest(int64_t *turns) {
  if (++*turns < 2000) PAUSE();
  else sched_yield();
}
static NOINLINE void share(struct team *team, const struct job *job, int64_t parts) {
  if (!team) {
    for (int64_t part = 0; part < parts; part++) job->part(job, part);
    return;
  }
  __atomic_store_n(&team->job, job, __ATOMIC_RELEASE);
  __atomic_store_n(&team->done, 0, __ATOMIC_RELEASE);
  const uint64_t kernels = (__atomic_load_n(&team->ticket, __ATOMIC_RELAXED) >> 32) + 1;
  __atomic_store_n(&team->ticket, kernels << 32 | (uint64_t)parts, __ATOMIC_RELEASE);
  while (take(team)) ;
  int64_t turns = 0;
  while (__atomic_load_n(&team->done, __ATOMIC_ACQUIRE) < parts) rest(&turns);
}
void help(struct team *team) { /* what a further thread runs until it is dismissed */
  int64_t turns = 0;
  while (!__atomic_load_n(&team->stop, __ATOMIC_ACQUIRE)) {
    if (take(team)) turns = 0;
    else rest(&turns);
  }
}
void dismiss(struct team *team) { __atomic_store_n(&team->stop, 1, __ATOMIC_RELEASE); }
"""


def parts_of(seconds: float) -> int:
    """Into how many parts a kernel of that time is cut."""
    return 1 if seconds < WORTH else min(MOST, int(seconds / PART))


class Parts:
    """The functions of the kernels of a source: equal ones are one, so that a deep network compiles quickly.

    Attributes:
        kernels: text of a kernel that is not cut -> name of its function.
        parts: text of a kernel that is cut -> name of the function of a part.
    """

    def __init__(self) -> None:
        self.kernels: dict[str, str] = {}
        self.parts: dict[str, str] = {}

    def code(self) -> str:
        """All functions."""
        return "\n".join(f"static NOINLINE void {name}{text}" for text, name in (*self.kernels.items(), *self.parts.items()))

    def alone(self, pointers: Mapping[str, str], lines: Sequence[str]) -> str:
        """The call of a kernel that is not cut; see `shared`."""
        text = "\n".join(lines)
        scalars, times = _numbers(text)
        numbers = [*(f"const double {s}" for s in scalars), *(f"const int64_t {t}" for t in times)]
        name = _named(self.kernels, "kernel", f"({', '.join([*pointers, *numbers])}) {{\n{text}\n}}")
        return f"{name}({', '.join([*pointers.values(), *scalars, *times])});"

    def shared(self, pointers: Mapping[str, str], lines: Sequence[str], parts: int) -> str:
        """The call that shares a kernel out.

        Args:
            pointers: the declaration of each pointer of the kernel, such as `float *restrict p0` -> what it points to.
            lines: the C of the part `part`.
        """
        text = "\n".join(lines)
        scalars, times = _numbers(text)
        given = [f"{declared} = job->p[{i}];" for i, declared in enumerate(pointers)]
        given += [f"const double {s} = job->s[{i}];" for i, s in enumerate(scalars)]
        given += [f"const int64_t {t} = job->t[{i}];" for i, t in enumerate(times)]
        name = _named(self.parts, "part", f"(const struct job *job, int64_t part) {{\n{' '.join(given)}\n{text}\n}}")
        at = ", ".join(f"(void *)({to})" for to in pointers.values())
        arrays = f"void *p[] = {{{at}}}; const double s[] = {{{', '.join(scalars) or '0'}}};"
        arrays += f" const int64_t t[] = {{{', '.join(times) or '0'}}};"
        return f"{{ {arrays} const struct job job = {{{name}, p, s, t}}; share(team, &job, {parts}); }}"


def _numbers(text: str) -> tuple[list[str], list[str]]:
    """The numbers of the step, and those of time steps, that a kernel uses."""
    scalars, times = (set(re.findall(rf"\b{name}\d+\b", text)) for name in ("s", "time"))
    return sorted(scalars, key=lambda s: int(s[1:])), sorted(times)


def _named(known: dict[str, str], kind: str, text: str) -> str:
    return known.setdefault(text, f"{kind}{len(known)}")


def bounds(extent: int, parts: int, unit: int = 1) -> tuple[int, int, str]:
    """How many parts an axis gives, their size, and the C of their `from` and `to`; all but the last are multiples of the
    unit."""
    step = max(1, min(extent, -(-extent // max(1, parts) // unit) * unit))
    count = max(1, -(-extent // step))
    last = f"part == {count - 1} ? {extent} : from + {step}"
    return count, step, f"const int64_t from = part * {step}, to = {last};"
