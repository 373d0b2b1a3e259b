"""The files of a run for its report: figures, tables, texts."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framework.analysis.figures import FIGURES
from framework.core.reading import is_regular, read_bytes, read_text
from framework.tracking.run_dir import SUMMARY

ELSEWHERE = ("traceback.txt",)  # in another part of the report
ABOUT = {name: about for name, (_, about) in FIGURES.items()}
ABOUT["comparison"] = "The jobs of the sweep compared, averaged over seeds; the table has the values."
ABOUT["importance"] = "How much each swept key matters: together with the others (total), and alone (main)."
ABOUT["learning_curve"] = "Loss and metrics against the number of training examples; a band is one standard deviation."
ABOUT["bias_variance"] = "Noise, variance and bias² on top of each other along training, and the measured error."
ABOUT["predictions"] = "Predictions of single networks, their mean and spread, the truth; below, bias² and variance by x."
ABOUT["lr_range"] = "The loss at the end of a short training against the learning rate, and notable rates."
ABOUT["overfit_batch"] = "The loss on one batch against the training step, and the goal."
LONGEST = 20_000  # maximum characters of a text


@dataclass(frozen=True)
class Picture:
    """A figure of a run.

    Attributes:
        name: name of the file.
        about: a description, also for screen readers.
        data: the file's bytes, for a data URI.
    """

    name: str
    about: str
    data: str


def pictures(folder: Path) -> list[Picture]:
    """The PNG files of a folder, the standard figures first."""
    order = {name: place for place, name in enumerate(FIGURES)}
    found = sorted(_files(folder, "png"), key=lambda path: (order.get(path.stem, len(order)), str(path)))
    return [_picture(path) for path in found]


def _picture(path: Path) -> Picture:
    words = path.stem.replace("_", " ")
    about = ABOUT.get(path.stem, f"{words[:1].upper()}{words[1:]}.")
    return Picture(words, about, base64.b64encode(read_bytes(path)).decode())


def texts(folder: Path) -> list[tuple[str, str, bool]]:
    """Name, content, and whether it is HTML already: pages of Markdown and plain texts."""
    marked = sorted(_files(folder, "md"))
    summary = _whole(folder / SUMMARY) if folder / SUMMARY in marked else ""  # of a study; some files repeat a part of it
    known = {path.stem for path in marked}  # the plain-text versions for a terminal
    marked = [path for path in marked if path.name == SUMMARY or _whole(path).strip() not in summary]
    pages = [(path.stem.replace("_", " "), markdown(_read(path)), True) for path in marked]
    plain = [path for path in sorted(_files(folder, "txt")) if path.name not in ELSEWHERE and path.stem not in known]
    return [*pages, *((path.stem.replace("_", " "), _read(path), False) for path in plain)]


def markdown(text: str) -> Any:
    """Markdown as HTML: tables and headings, without raw HTML and without external images."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    return Markup(MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "html_inline"]).render(text))


def _files(folder: Path, ending: str) -> Iterator[Path]:
    """The files of a run's folder and of its folders that are not runs. Links may lead to any file of the user's, and the
    report may be passed on: links are left out."""
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.is_symlink()]
    for place in (folder, *(path for path in inner if path.name[0] != "." and not (path / "run.json").exists())):
        yield from (path for path in place.glob(f"*.{ending}") if is_regular(path) and not path.is_symlink())


def _whole(path: Path) -> str:
    return read_text(path, errors="replace")


def _read(path: Path) -> str:
    text = _whole(path)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n... ({len(text) - LONGEST} more characters in {path.name})"
