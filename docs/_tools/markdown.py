"""Docstrings as Markdown."""

from __future__ import annotations

import inspect
import re


def prose(paragraph: str) -> str:
    """Text whose characters Markdown does not interpret, except `code`."""
    if paragraph.startswith(" "):
        return f"```text\n{inspect.cleandoc(paragraph)}\n```"
    parts = re.split(r"(`[^`]*`)", paragraph)
    parts[::2] = [re.sub(r"([\\*$~]|<(?=[\w/!?])|](?=\()|(?<!\w)_|_(?!\w))", r"\\\1", part) for part in parts[::2]]
    return re.sub(r"^([-+=#>])", r"\\\1", "".join(parts), flags=re.M)
