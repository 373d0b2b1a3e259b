"""`stackprop save NAME [overrides]`: an experiment of your own, experiments/NAME.yaml, from the overrides of a command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from framework.config.presets import shown
from framework.config.saving import recorded_overrides, save_experiment
from framework.experiments.experiment import prepare

EXAMPLES = (
    "stackprop save wide model.hidden=512 optimizer.lr=0.003",
    "stackprop save rates -m optimizer.lr=0.1,0.01 'seed=range(3)'",
    "stackprop save again --from last optimizer=nag",
)


def main(arguments: Sequence[str]) -> int:
    """Write the file and print the command that runs it."""
    parser = argparse.ArgumentParser("stackprop save", description=__doc__)
    parser.add_argument("name", help="wide: the file is experiments/wide.yaml, the command `stackprop experiment=wide`")
    parser.add_argument("overrides", nargs="*", help="key=value, as for a training")
    parser.add_argument("-m", "--multirun", action="store_true", help="a sweep: key=a,b,c holds several values")
    parser.add_argument("--from", dest="run", metavar="RUN", help="begin with the overrides of this run or sweep")
    parser.add_argument("--about", default="", help="the comment in the first line, instead of the command")
    parser.add_argument("--force", action="store_true", help="replace a file of that name")
    given = parser.parse_intermixed_args(arguments)
    words = [*(["-m"] if given.multirun else []), *given.overrides]
    overrides = recorded_overrides(given.run, words) if given.run else words
    file = save_experiment(given.name, overrides, given.about, given.force, check=prepare)
    print(f"written to {shown(file.absolute())}; `stackprop experiment={given.name}` runs it")
    return 0
