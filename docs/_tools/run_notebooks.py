"""Runs the notebooks of docs/notebooks/ from the first cell to the last, and saves the outputs in them:

python -m docs._tools.run_notebooks        (or: make docs)

A notebook is a list of cells of code. Jupyter is not needed to run one.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"


def shown(value: Any) -> dict[str, Any]:
    """MIME type -> what a notebook keeps of the value of a cell's last line."""
    if isinstance(value, Figure):
        png = io.BytesIO()
        value.savefig(png, format="png", dpi=80)
        return {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": ["<Figure>"]}
    if hasattr(value, "_repr_html_"):
        return {"text/html": value._repr_html_().splitlines(True), "text/plain": [f"<{type(value).__name__}>"]}
    return {"text/plain": repr(value).splitlines(True)}


def run_cell(source: str, names: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Run a cell; what it printed, and the value of its last line where that is an expression."""
    tree, printed, value = ast.parse(source), io.StringIO(), None
    last = ast.Expression(tree.body.pop().value) if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, f"<cell {count}>", "exec"), names)
        if last is not None:
            value = eval(compile(last, f"<cell {count}>", "eval"), names)
    out: list[dict[str, Any]] = []
    if printed.getvalue():
        out.append({"name": "stdout", "output_type": "stream", "text": printed.getvalue().splitlines(True)})
    if value is not None:
        out.append({"data": shown(value), "execution_count": count, "metadata": {}, "output_type": "execute_result"})
    return out


@contextlib.contextmanager
def empty_folder() -> Iterator[None]:
    """An empty working directory, for what a notebook writes."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def executed(path: Path) -> dict[str, Any]:
    """The notebook with the outputs that its cells have now."""
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    names: dict[str, Any] = {"__name__": "__main__"}
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    matplotlib.use("Agg")
    with empty_folder():
        for count, cell in enumerate(code, 1):
            cell["execution_count"], cell["outputs"] = count, run_cell("".join(cell["source"]), names, count)
    return notebook


def main() -> None:
    """Every notebook."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        path.write_text(json.dumps(executed(path), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
