"""The docs are plain English: short sentences, and words in the sense of the dictionary."""

import json
import re
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]}
PAGES = {name: text for name, text in PAGES.items() if not name.startswith("docs/reference/")}
for path in ROOT.glob("docs/**/*.ipynb"):
    cells = json.loads(path.read_text())["cells"]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    PAGES[path.relative_to(ROOT).as_posix()] = "\n\n".join(texts)

# Words with a private meaning; docs/glossary.md and the guides use the standard term.
PRIVATE = "|".join(
    (
        r"anew|anybody's|begun|by chance|goes on|hands? on|hand(?:s|ed) over|in words|(?<!there )is no|are none",
        r"judge[sd]?|last look|nobody reads|of (?:its|their|his) own|peers?|put together|refuse[sd]?|sitting|slips?",
        r"somebody else's|stands? (?:in )?for|strangers?|taken up again|tells?|told|asks?|asked",
    )
)


def blocks(text):
    """Paragraphs, list items and cells of tables, without code."""
    text = re.sub(r"^```.*?^```|<!--.*?-->|^ {4}[^\n]*$|\$\$.*?\$\$", "", text, flags=re.M | re.S)
    text = re.sub(r"`[^`]*`|\$[^$\n]+\$", "code", re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text))
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*[-*#|]\s?|\d+\. )", text):
        cells = paragraph.split("|") if paragraph.lstrip().startswith("|") else [paragraph]
        yield from (" ".join(cell.split()) for cell in cells)


def sentences(text):
    """Each sentence as its words."""
    for block in blocks(text):
        for sentence in re.split(r"(?<=[.!?])\s+(?=[\"(*]*[A-Z0-9c])", block):
            words = [word for word in sentence.split() if re.search(r"\w", word)]
            if len(words) > 2:
                yield words


@pytest.mark.parametrize("page", PAGES)
def test_sentences_are_short(page):
    found = list(sentences(PAGES[page]))
    longest = max(found, key=len, default=[])
    assert len(longest) <= 35, " ".join(longest)
    assert statistics.median(map(len, found)) <= 15


@pytest.mark.parametrize("page", PAGES)
def test_words_have_their_usual_sense(page):
    text = " ".join(blocks(PAGES[page]))
    found = re.findall(rf".{{0,40}}\b(?:{PRIVATE})\b.{{0,30}}", text, re.I)
    assert not found, found
