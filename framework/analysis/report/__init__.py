"""The report of a run or a sweep: one HTML file with figures, without network requests, for saving, mailing or printing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from framework.analysis.report import run_page, sweep_page
from framework.core.errors import ConfigError
from framework.core.version import __version__
from framework.core.writing import write_text

FILE = "report.html"


def write(folder: Path) -> Path:
    """Write `report.html` into the folder of a run or of a sweep.

    Raises:
        ConfigError: the file cannot be written.
    """
    is_run = (folder / "run.json").is_file()
    text = rendered(run_page.facts(folder) if is_run else sweep_page.facts(folder))
    path = folder / FILE
    try:
        write_text(path, text, lasting=False)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def rendered(facts: dict[str, Any]) -> str:
    """The page; content of a run is always text in it, never markup."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8")).render(
        **facts, version=__version__
    )
