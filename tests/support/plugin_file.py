"""The text of a plugin with one activation, y = 2 x."""

TEXT = '''
from dataclasses import dataclass
from pathlib import Path
from framework import hookimpl

{first}

@dataclass(frozen=True)
class Twice:
    """y = 2 x."""
    def forward(self, x, ctx):
        return 2 * x, None
    def backward(self, cache, dy, ctx):
        return 2 * dy

@hookimpl
def register_activations(register):
    register("{name}", Twice)
'''


def doubling(name, first=""):
    """The text; `first` runs when it is imported."""
    return TEXT.format(name=name, first=first)
