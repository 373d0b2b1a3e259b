"""The shipped presets as trainings of a few steps: every experiment, and every model with data that it can read."""

import functools
from dataclasses import replace
from pathlib import Path

import yaml

from framework.config.composition import compose
from framework.experiments.experiment import prepare
from framework.training.trainer import train

CONF = Path(__file__).resolve().parents[2] / "conf"
TAGS = Path(__file__).with_name("tags.txt")
EXPERIMENTS = {path.stem: [f"experiment={path.stem}"] for path in sorted((CONF / "experiment").glob("*.yaml"))}
MODELS = {path.stem: [f"model={path.stem}"] for path in sorted((CONF / "model").glob("*.yaml"))}
DATA = {  # of models that do not read the digits
    "attention": ["dataset=hello"],
    "birnn": ["dataset=tagging"],
    "caption": ["dataset=captions"],
    "crf": ["dataset=tagging"],
    "gru": ["dataset=hello"],
    "indrnn": ["dataset=adding", "model.output=last", "dataset.length=6"],
    "joint": ["dataset=entities"],
    "lstm": ["dataset=hello"],
    "lstm2": ["dataset=hello"],
    "masked_lstm": ["dataset=sine_series", "dataset.length=8"],
    "relations": ["dataset=entities"],
    "rnn": ["dataset=hello"],
    "seq2seq": ["dataset=reverse"],
    "tag_decoder": ["dataset=tagging"],
    "tagger": ["dataset=conll", f"dataset.path={TAGS}"],
    "window_scorer": ["dataset=entity_windows"],
}
WAYS = {
    "augmented": ["+experiment/remedy=augmentation"],
    "dropped": ["model=mlp", "+experiment/remedy=dropout"],
    "accumulated": ["trainer.accumulate=3"],
    "clipped": ["trainer.clip_norm=0.1", "regularizer=l2"],
}
SHORTER = {  # sequences: the code is a loop, whose kernels are the same
    "adding_problem": ["dataset.length=20"],
    "forget_bias": ["dataset.delay=9"],
    "thousand_steps": ["dataset.length=40"],
}
EXPERIMENTS = {name: [*words, *SHORTER.get(name, [])] for name, words in EXPERIMENTS.items()}
PRESETS = {**EXPERIMENTS, **{name: [*words, *DATA.get(name, [])] for name, words in MODELS.items()}, **WAYS}
# Steps until both tiers are compared: two epochs or more of two batches and a half, and validations.
STEPS = {name: 12 if name in MODELS else 6 for name in PRESETS}
UNSEEN = {"hydra", "figure", "study", "seed"}  # of an experiment: what a training of its own does not show
BATCHES, JUDGED = 2.5, 40  # of the examples that train; examples that are judged
SINGLE = ("mlp", "cnn", "lstm", "crf")  # trained in single precision too


def chosen():
    """The presets without the experiments that set nothing new: each key and each component that one sets is in another.
    All values of a key that are numbers count as one."""
    left_out, seen = set(), set()
    set_by = {name: set(_set(yaml.safe_load((CONF / "experiment" / f"{name}.yaml").read_text()))) for name in EXPERIMENTS}
    for name in sorted(set_by, key=lambda name: -len(set_by[name])):
        if set_by[name] <= seen:
            left_out.add(name)
        seen |= set_by[name]
    return [name for name in PRESETS if name not in left_out]


def _set(tree, key=""):
    """Every key with its value, or without it where that is a number."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            if key or name not in UNSEEN:
                yield from _set(value, f"{key}.{name}")
    elif isinstance(tree, list):
        for value in tree:
            yield from _set(value, key)
    elif key != ".defaults.override /model":
        yield key, tree if isinstance(tree, str | bool) else None


@functools.lru_cache(maxsize=2)
def prepared(name, steps, dtype):
    """The experiment of a preset, prepared once for both tiers."""
    words = [*PRESETS[name], f"trainer.steps={steps}", f"dtype={dtype}", "trainer.early_stopping.patience=null"]
    experiment = prepare(compose(words))
    options = experiment.learner.options
    size = JUDGED if options.batch_size == "all" else int(BATCHES * options.batch_size * options.accumulate)
    splits = {
        split: {field: array[: size if split == "train" else JUDGED] for field, array in arrays.items()}
        for split, arrays in experiment.data.splits.items()
    }
    return replace(experiment, data=replace(experiment.data, splits=splits))


def trained(name, tier, steps, dtype="float64", replicas=2, callbacks=()):
    """Outcomes of a short training of a preset; the data are those of one replica."""
    experiment = prepared(name, steps, dtype)
    learners, keys = [experiment.learner] * replicas, list(range(replicas))
    return train(learners, [experiment.data], keys, dtype=dtype, tier=tier, threads=1, callbacks=callbacks)
