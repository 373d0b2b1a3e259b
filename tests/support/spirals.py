"""A learner of two spirals, and the record of its training."""

from framework import Head, Network, discover, generator
from framework.config.options import TrainerOptions
from framework.inference.evaluation import HeadMetric
from framework.training.learner import Learner
from framework.training.trainer import train

get = discover().get
DATA = get("dataset", "spirals")(n=30).load(generator(0, "dataset"))


def learner(optimizer="adam", lr=0.01, keep=0.8, **options):
    layers = {
        "hidden": get("layer", "dense")(6),
        "act": get("layer", "activation")(),
        "drop": get("layer", "dropout")(keep),
        "skip": get("layer", "dense")(6),
        "out": get("layer", "dense")(2),
    }
    return Learner(
        Network(layers, DATA.shapes()),
        {"loss": Head(get("loss", "softmax_cross_entropy")(), "out")},
        get("optimizer", optimizer)(lr=lr),
        get("schedule", "constant")(),
        TrainerOptions(**{"epochs": 3, "clip_norm": 1.0, **options}),
        (get("regularizer", "l2")(0.01), get("regularizer", "l1")(0.01, proximal=True)),
        {"accuracy": HeadMetric(get("metric", "accuracy")(), "loss")},
    )


class Heard:
    def __init__(self):
        self.lines = []

    def on_steps(self, member, first, columns, rows):
        self.lines += [(member, first + i, *row) for i, row in enumerate(rows.tolist())]

    def on_probe(self, member, steps, columns, rows):
        self.lines += [(member, step, *row) for step, row in zip(steps.tolist(), rows.tolist(), strict=True)]

    def on_probe_row(self, member, step, metric, row):
        pass

    def on_metrics(self, member, step, values):
        self.lines.append((member, step, *values.items()))

    def on_end(self, outcome):
        self.lines.append((outcome.member, outcome.status))


def trained(stack, resume=None):
    snapshots, heard = {}, Heard()

    def save(arrays, plain):
        snapshots[plain["step"]] = ({k: a.copy() for k, a in arrays.items()}, plain, len(heard.lines))

    outcomes = train(stack, [DATA], list(range(len(stack))), callbacks=[heard], save=save, resume=resume)
    return outcomes, heard.lines, snapshots
