"""`stackprop generate RUN --prompt TEXT --length N`: what a recorded network of symbols would say next."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from framework.config import ConfigError
from framework.generating import generate, spelled, symbols
from framework.restoring import load


def main(arguments: Sequence[str]) -> int:
    """Print the prompt and what follows it, symbol by symbol."""
    parser = argparse.ArgumentParser("stackprop generate", description=__doc__)
    parser.add_argument("run", help="a run's folder, name or MLflow id, or: last")
    parser.add_argument("--prompt", required=True, help="characters, or words where symbols are words")
    parser.add_argument("--length", type=int, default=100, help="symbols to add (100)")
    parser.add_argument("--temperature", type=float, default=1.0, help="below 1 the likely becomes likelier (1)")
    parser.add_argument("--greedy", action="store_true", help="always the likeliest symbol")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (0)")
    options = parser.parse_args(arguments)
    if options.length < 1:
        raise ConfigError(f"--length: {options.length} must be at least 1")
    if not options.temperature > 0:
        raise ConfigError(f"--temperature: {options.temperature} must be above 0; --greedy is its limit")
    model = load(options.run)
    try:
        vocabulary = symbols(model)
        prompt = spelled(options.prompt, vocabulary)
    except ValueError as error:
        raise ConfigError(f"{options.run}: {error}") from error
    between = "" if all(len(symbol) == 1 for symbol in vocabulary) else " "
    sys.stdout.write(between.join(vocabulary[i] for i in prompt))
    for i in generate(model, prompt, options.length, options.temperature, options.greedy, options.seed):
        sys.stdout.write(between + vocabulary[i])
        sys.stdout.flush()
    print()
    return 0
