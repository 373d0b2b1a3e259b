"""`stackprop predict RUN FILE`: predictions of a recorded run for new examples, as CSV; `--text` for one sentence."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from framework.cli.commands.reading import as_written, read_fields, split_words
from framework.core.errors import ConfigError, DataError
from framework.experiments.loading import TRUST, load
from framework.experiments.predictions import rows
from framework.inference.model import Model
from framework.inference.sentences import answers, heads_of_pairs, read_sentence, relation_of, relations


def main(arguments: Sequence[str]) -> int:
    """Write a row per example to standard output: the class and the probability of each class, or the values of a
    regression; of tagged words a row per word, or with `--labels` the file, the predicted tags as its last column. A class
    name that a spreadsheet would read as a formula gets an apostrophe. With `--text`, write a line per word: the word, and
    its tag or score; then, if the network has learned relations, a line per pair of its entities that has one, or with
    `--pair` for that pair."""
    options = _parsed(arguments)
    model = load(options.run, trust=options.trust)
    if options.text is not None:
        for line in sentence_lines(model, options.text, options.pair, options.beam):
            print(line)
        return 0
    if model.head.target in {model.heads[name].target for name in heads_of_pairs(model)}:
        raise ConfigError("predict: the run answers for a pair of entities; use --text WORDS --pair FIRST SECOND")
    encoding: Any = model.about.encoding
    of_words = hasattr(encoding, "labelled")
    if options.labels and not of_words:
        raise ConfigError("--labels: the run was not trained on a file of tagged words (dataset=conll)")
    model = as_written(model, options.how)
    fields = read_fields(model, options.file, with_target=False)
    y = model.predict(fields, beam=options.beam)
    if options.labels:
        print(encoding.labelled(options.file, y.argmax(-1)), end="")
        return 0
    if hasattr(encoding, "sentence") and y.ndim == 3 and model.head.mask in fields:
        y = y[fields[model.head.mask] > 0]
    if y.ndim == 3 and getattr(model.about.encoding, "layout", None) == "time_major":
        y = y.swapaxes(0, 1)  # in the order of the file
    csv.writer(sys.stdout, lineterminator="\n").writerows(rows(model, y))
    return 0


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of the command.

    Raises:
        ConfigError: they do not go together.
    """
    parser = argparse.ArgumentParser("stackprop predict", description=__doc__)
    parser.add_argument("run", help="a run's folder, name or MLflow id, or: last, best")
    parser.add_argument(
        "file",
        nargs="?",
        help="a file in the format of the training data, but for "
        "dataset.decimal=comma, dataset.delimiter=... or dataset.encoding=... behind it; it needs no target",
    )
    parser.add_argument("--text", help="a sentence instead of a file: words, separated by blanks")
    parser.add_argument("--pair", nargs=2, metavar=("FIRST", "SECOND"), help="two entities of the sentence: their relation")
    parser.add_argument("--beam", type=int, help="of a tag_decoder with feedback: tag: the width of a beam search")
    parser.add_argument("--trust", action="store_true", help=TRUST)
    parser.add_argument("--labels", action="store_true", help="of dataset=conll: the file, with the predicted tags")
    words, how = split_words(arguments)
    options = parser.parse_args(words)
    options.how = how
    if (options.file is None) == (options.text is None):
        given = "neither" if options.file is None else "both"
        raise ConfigError(f"predict: a file or --text is needed (got {given}); stackprop predict RUN FILE, or --text WORDS")
    if options.pair is not None and options.text is None:
        raise ConfigError("--pair: it marks words of a sentence; give that with --text")
    return options


def sentence_lines(model: Model, text: str, pair: Sequence[str] | None = None, beam: int | None = None) -> Iterator[str]:
    """A line per word, `word TAG` or `word SCORE`; the rows of `rows` where the sentence has one answer. Then the relations
    of its entities, or of the given pair."""
    words = text.split()
    try:
        y = model.predict(read_sentence(model, words), beam=beam)
        related = [] if pair is None else list(relation_of(model, words, *pair))
    except DataError as error:
        raise DataError(f"--text: {error}") from error
    by_word = answers(model, y, len(words))
    if by_word is not None:
        yield from (f"{word} {answer}" for word, answer in zip(words, by_word, strict=True))
        yield from related if pair is not None else relations(model, words, by_word)
    elif pair is not None:
        yield from related
    elif heads_of_pairs(model):
        raise ConfigError("--text: the run answers for a pair of entities; mark it with --pair FIRST SECOND")
    else:
        yield from (",".join(row) for row in rows(model, y))
