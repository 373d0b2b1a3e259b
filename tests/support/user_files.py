"""Tables and arrays in files, as a person has them."""

import json

import numpy as np

from framework import discover, generator
from framework_datasets.csv import Csv
from framework_datasets.npz import Npz

X, Y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2


def rng():
    return generator(0, "dataset")


def table(tmp_path, content, target="y", name="data.csv", **options):
    """A data set of a file with that content, all rows for training unless the options say otherwise."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Csv(str(path), target, **{"val": 0, "test": 0, **options})


def again(data):
    """The encoding as a saved model brings it back."""
    told = json.loads(json.dumps(data.encoding.to_json()))
    return discover().get("dataset", told["type"]).encoding_from_json(told)


def many(n=60, label=lambda i: "ab"[i % 2], header="u,v,y"):
    """A table that has nothing wrong with it."""
    return header + "\n" + "".join(f"{i},{i * i % 17 / 4},{label(i)}\n" for i in range(n))


def arrays(tmp_path, options=(), name="data.npz", **contents):
    """A data set of a file with these arrays, all rows for training unless the options say otherwise."""
    np.savez(tmp_path / name, **contents)
    return Npz(str(tmp_path / name), **{"val": 0, "test": 0, **dict(options)})
