"""Every shipped preset in both tiers: the same numbers after 100 steps; and its C under the sanitizers of the compiler."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import presets
import pytest

from framework.training.compiled.build import compiler

STEPS = 200  # of a model
OF_EXPERIMENTS = 60  # most of them train one of these models
# Here rounding grows: weights moved by 1e-15 at the start differ as much in the array tier (1e-4 and 0.05 after 200 steps).
CHAOTIC = {"feature_scaling": 50, "lag_limit": 20}
LONG = dict.fromkeys(
    ("digits_cnn", "initialization", "joint_or_pipeline", "peephole", "tag_feedback"), 40
)  # in the array tier
FEWER = LONG | CHAOTIC
GROUP = 45  # a process that sanitizes takes a second to start, and knows which kernels it has sanitized
SUPPORT = Path(__file__).resolve().parents[1] / "support"


@pytest.mark.slow
@pytest.mark.parametrize("name", list(presets.PRESETS))
def test_a_preset_gives_the_same_numbers_in_both_tiers(name):
    steps = FEWER.get(name, STEPS if name in presets.MODELS else OF_EXPERIMENTS)
    one, other = (presets.trained(name, tier, steps) for tier in ("array", "compiled"))
    for a, b in zip(one, other, strict=True):
        assert (a.status, a.step) == (b.status, b.step)
        for node, tensors in a.weights.items():
            for tensor, w in tensors.items():
                np.testing.assert_allclose(b.weights[node][tensor], w, rtol=1e-9, atol=1e-9, err_msg=f"{node}.{tensor}")
        assert b.metrics == pytest.approx(a.metrics, rel=1e-9, abs=1e-9, nan_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, len(presets.PRESETS), GROUP))
def test_no_preset_reads_or_writes_beside_its_arrays(first, tmp_path):
    found = subprocess.run([*compiler(), "-print-file-name=libasan.so"], capture_output=True, text=True, check=False)
    library = found.stdout.strip()
    if not os.path.isabs(library):
        pytest.skip("the compiler has no sanitizers")
    names = list(presets.PRESETS)[first : first + GROUP]
    own = {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0:malloc_context_size=0", "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, str(SUPPORT / "sanitized.py"), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **own})
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == names
