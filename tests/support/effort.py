"""How much is drawn at random: `make slow EFFORT=10` draws ten times as many examples, by the same rules."""

import os

EFFORT = int(os.environ.get("EFFORT", "1"))
