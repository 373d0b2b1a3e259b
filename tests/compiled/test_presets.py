"""Shipped presets in both tiers, and their C under the sanitizers of the compiler.

All models, and the experiments that set something new; EFFORT=10 takes all.
"""

import os
import subprocess
import sys
from pathlib import Path

import presets
import pytest
import sanitized
from effort import EFFORT

from framework.training.compiled import build

SUPPORT = Path(__file__).resolve().parents[1] / "support"
NAMES = [*(presets.PRESETS if EFFORT > 1 else presets.chosen()), sanitized.PRODUCTS]


@pytest.fixture(scope="module")
def sanitizers():
    """The variables of a process whose libraries are sanitized, where the compiler can do that."""
    found = subprocess.run([*build.compiler(), "-print-file-name=libasan.so"], capture_output=True, text=True, check=False)
    library = found.stdout.strip()
    return (
        {} if not os.path.isabs(library) else {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0:malloc_context_size=0"}
    )


@pytest.mark.slow
def test_presets_give_the_same_numbers_and_stay_within_their_arrays(sanitizers, tmp_path):
    """In one process, which knows the kernels that it has sanitized."""
    command = [sys.executable, str(SUPPORT / "sanitized.py"), *NAMES]
    own = {**sanitizers, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **own})
    assert done.returncode == 0, f"after {done.stdout.split()[-1:]}: {done.stderr[-3000:]}"
    assert done.stdout.split() == NAMES, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("name", presets.SINGLE)
def test_a_preset_gives_the_same_numbers_with_every_optimisation(name, monkeypatch):
    monkeypatch.setattr(build, "FLAGS", ("-O3", *build.FLAGS[1:]))
    for outcomes in zip(*(presets.trained(name, tier, 200) for tier in sanitized.TIERS), strict=True):
        sanitized.same(*outcomes)
