"""Files of tagged words, as a person has them."""

from framework import generator
from framework_datasets.conll import Conll

# CoNLL-2003: a word, its part of speech, its chunk and its entity (IOB1).
ENGLISH = """-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
German JJ I-NP I-MISC
call NN I-NP O
. . O O

Peter NNP I-NP I-PER
Blackburn NNP I-NP I-PER

BRUSSELS NNP I-NP I-LOC
1996-08-22 CD I-NP O
"""


def conll(tmp_path, content=ENGLISH, name="tags.txt", **options):
    """A data set of a file with that content; all sentences train and all words are known, unless the options say
    otherwise."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Conll(str(path), **{"val": 0, "test": 0, "min_count": 1, **options})


def loaded(source, seed=0):
    return source.load(generator(seed, "dataset"))


def tags_of(data, split="train"):
    """The tags of each sentence, without padding."""
    fields, names = data.splits[split], data.fields["y"].names
    return [
        [names[k] for k, m in zip(y, mask, strict=True) if m] for y, mask in zip(fields["y"], fields["mask"], strict=True)
    ]


def lines(*tags):
    """A file of one sentence with these tags."""
    return "".join(f"w{i} {tag}\n" for i, tag in enumerate(tags))


def office(n, rng):
    """Sentences of a small world, in which an unseen name is known by its letters or its place."""
    first, last = ("Ada", "Grace", "Alan", "Emmy"), ("Lovelace", "Hopper", "Turing", "Noether")
    places, firms = ("Rome", "New York", "San Marino", "Oslo"), ("Acme Corp", "Bell Labs", "Globex")
    out = []
    for _ in range(n):
        name, place, firm = (str(rng.choice(names)) for names in (first, places, firms))
        name += f" {rng.choice(last)}" if rng.integers(2) else ""
        parts = [
            (name, "PER"),
            ("works for", ""),
            (firm, "ORG"),
            ("in", ""),
            (place, "LOC"),
            (str(rng.integers(1900, 2000)), ""),
        ]
        parts = parts if rng.integers(2) else [("the office of", ""), *parts[2:5], (".", "")]
        words = [(w, kind, i) for text, kind in parts for i, w in enumerate(text.split())]
        out.append("".join(f"{w} {('I-' if i else 'B-') + kind if kind else 'O'}\n" for w, kind, i in words))
    return "\n".join(out)
