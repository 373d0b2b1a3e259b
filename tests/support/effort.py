"""How much is sampled: `make slow EFFORT=10` draws ten times as many examples at random, by the same rules, and takes all
presets, examples of components, and writes at which a process dies."""

import os

EFFORT = int(os.environ.get("EFFORT", "1"))
