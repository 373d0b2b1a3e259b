"""Runs the commands of the gallery, and keeps its pictures:

python -m docs._tools.gallery            (or only some: python -m docs._tools.gallery parallel)
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guides" / "gallery.md"
PICTURES = ROOT / "docs" / "images" / "gallery"
COLOURS = 250  # of the palette of a picture


def sections(text: str) -> Iterator[list[list[str]]]:
    """The commands of each block of the page, each as its arguments."""
    for block in re.findall(r"(?:^ {4}stackprop .*\n)+", text, re.M):
        yield [shlex.split(line)[1:] for line in block.splitlines()]


def main() -> None:
    """Run all blocks but those of whole experiments; with names of kinds, those that draw one of them."""
    from PIL import Image

    command = Path(sys.executable).with_name("stackprop")
    for commands in sections(PAGE.read_text()):
        wanted = sys.argv[1:] or [commands[-1][2]]
        if commands[0][0].startswith("experiment=") or not {words[2] for words in commands[1:]} & set(wanted):
            continue
        with tempfile.TemporaryDirectory() as place:
            for words in commands:
                more = [] if words[0] == "figure" else ["tracking=none"]
                subprocess.run([command, *words, *more], cwd=place, check=True, stdout=subprocess.DEVNULL)
            for path in sorted(Path(place).glob("*.png")):
                picture = Image.open(path).convert("RGB").quantize(COLOURS)
                picture.save(PICTURES / path.name, optimize=True)
                print(f"{path.name}: {(PICTURES / path.name).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
