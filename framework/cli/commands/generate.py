"""`stackprop generate RUN --prompt TEXT --length N`: what a recorded network of symbols says next, or says to a prompt."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence

from framework.core.errors import ConfigError
from framework.experiments.loading import TRUST, load
from framework.inference.generation import answer, decoder, encode_prompt, generate, source, symbols, vocabulary_of
from framework.inference.model import Model


def main(arguments: Sequence[str]) -> int:
    """Print the prompt and what follows it, symbol by symbol; of an encoder and a decoder only the answer."""
    parser = argparse.ArgumentParser("stackprop generate", description=__doc__)
    parser.add_argument("run", help="a run's folder, name or MLflow id, or: last, best")
    parser.add_argument("--prompt", required=True, help="characters, or words where symbols are words")
    parser.add_argument("--length", type=int, help="symbols to add (100; of an answer: as many as the prompt has)")
    parser.add_argument("--temperature", type=float, default=1.0, help="below 1 the likely becomes likelier (1)")
    parser.add_argument("--greedy", action="store_true", help="always the likeliest symbol")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (0)")
    parser.add_argument("--trust", action="store_true", help=TRUST)
    options = parser.parse_args(arguments)
    if options.length is not None and options.length < 1:
        raise ConfigError(f"--length: {options.length} must be at least 1")
    if not options.temperature > 0:
        raise ConfigError(f"--temperature: {options.temperature} must be above 0; --greedy is its limit")
    model = load(options.run, trust=options.trust)
    try:
        written, vocabulary = start_generation(model, options)
    except ValueError as error:
        raise ConfigError(f"{options.run}: {error}") from error
    between = "" if all(len(symbol) == 1 for symbol in vocabulary) else " "
    for i, symbol in enumerate(written):
        sys.stdout.write((between if i else "") + vocabulary[symbol])
        sys.stdout.flush()
    print()
    return 0


def start_generation(model: Model, options: argparse.Namespace) -> tuple[Iterator[int], list[str]]:
    """The ids to print, made one by one, and the symbols that they stand for.

    Raises:
        ValueError: the network cannot write, or not to this prompt.
    """
    how = (options.temperature, options.greedy, options.seed)
    speaker = decoder(model)
    if speaker is None:
        vocabulary = symbols(model)
        prompt = encode_prompt(options.prompt, vocabulary)
        return itertools.chain(prompt, generate(model, prompt, options.length or 100, *how)), vocabulary
    prompt = encode_prompt(options.prompt, vocabulary_of(model, model.about.fields[source(model)].size))
    return answer(model, speaker, prompt, options.length or len(prompt), *how), vocabulary_of(model, speaker.start)
