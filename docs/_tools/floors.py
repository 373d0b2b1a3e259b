"""Draws the packages of `framework/` and their imports, one floor above the other:

python -m docs._tools.floors        (or: make docs)

The imports are read from the source, those inside functions and for a type checker too. A package stands one floor above
the highest package that it imports. An arrow that other arrows imply is left out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PICTURE = ROOT / "docs" / "images" / "floors.svg"
FACADES = ("__init__", "components", "restoring")  # they pass on names that others define
WIDTH = 980
TEXTS = {
    "cli": "the command",
    "api": "run, sweep, result in Python",
    "sweeps": "jobs, stacks, searches",
    "sklearn": "scikit-learn estimators",
    "testing": "the conformance kit",
    "experiments": "data, training, recording",
    "training": "the loop, one step, updates",
    "analysis": "tables, figures, reports",
    "config": "composition, validation",
    "inference": "evaluation, predictions",
    "nn": "networks, heads",
    "data": "data sets, batches",
    "registry": "names of components",
    "tracking": "folders, metrics, MLflow",
    "core": "protocols, options, arrays",
    "hooks": "hooks of plugins",
}
HEAD = f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 640" font-family="sans-serif" text-anchor="middle">
<title>The packages of framework/ on seven floors. An arrow means: imports from.</title>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">\
<path d="M0 0L8 4L0 8z" style="fill:#57606a;stroke:none"/></marker></defs>
<style>path{{fill:none;stroke:#57606a;stroke-width:1.2;marker-end:url(#tip)}}rect{{fill:#eaf2fb;stroke:#0072b2}}\
.name{{font-size:16px;font-weight:bold}}.text{{font-size:13px}}.floor{{font-size:15px;fill:#57606a}}</style>
<path d="M0 0H{WIDTH}V640H0z" style="fill:#fff;stroke:none;marker-end:none"/>"""


def imported(path: Path) -> Iterator[str]:
    """The packages of `framework` that a file imports from."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "framework" else [f"framework.{alias.name}" for alias in node.names]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        yield from (name.split(".")[1] for name in names if name.startswith("framework."))


def imports() -> dict[str, set[str]]:
    """package -> the packages that it imports."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "framework").rglob("*.py")):
        package = path.relative_to(ROOT / "framework").parts[0].removesuffix(".py")
        if package not in FACADES and path.name != "serving.py":  # MLflow runs a copy of serving.py
            found[package] = found.get(package, set()) | set(imported(path))
    return {package: (others & found.keys()) - {package} for package, others in found.items()}


def levels(edges: dict[str, set[str]]) -> dict[str, int]:
    """package -> its floor, 1 at the bottom."""
    floors: dict[str, int] = {}
    while len(floors) < len(edges):
        free = [p for p, others in edges.items() if p not in floors and others <= floors.keys()]
        if not free:
            raise ValueError(f"packages import each other: {sorted(edges.keys() - floors.keys())}")
        floors |= {package: 1 + max((floors[other] for other in edges[package]), default=0) for package in free}
    return floors


def reduced(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """The arrows that no path of other arrows implies."""
    floors = levels(edges)
    below: dict[str, set[str]] = {}
    for package in sorted(edges, key=lambda name: floors[name]):
        below[package] = edges[package].union(*(below[other] for other in edges[package]))
    return {p: {o for o in others if not any(o in below[x] for x in others)} for p, others in edges.items()}


def picture() -> str:
    """The drawing as SVG."""
    edges = imports()
    floors = levels(edges)
    rows = {floor: [name for name in TEXTS if floors[name] == floor] for floor in range(1, 8)}
    at = {name: place(floor, i, len(names)) for floor, names in rows.items() for i, name in enumerate(names)}
    arrows = [arrow(at[a], at[b]) for a, others in reduced(edges).items() for b in sorted(others)]
    labels = [f'<text x="16" y="{middle(floor) + 5}" class="floor">{floor}</text>' for floor in rows]
    return "\n".join([HEAD, *arrows, *(box(name, *at[name]) for name in TEXTS), *labels, "</svg>", ""])


def middle(floor: int) -> int:
    """The height of a floor in the drawing."""
    return 44 + (7 - floor) * 92


def place(floor: int, i: int, count: int) -> tuple[int, int]:
    """The middle of a box."""
    return 40 + (2 * i + 1) * (WIDTH - 40) // (2 * count), middle(floor)


def arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    """A curve from below one box to above another; past a floor it goes around the box between."""
    (x, y), (to, down) = (start[0], start[1] + 27), (end[0], end[1] - 29)
    if down - y > 92:
        return f'<path d="M{x - 90} {y} C{x - 200} {y + 50} {to - 200} {down - 50} {to - 90} {down}"/>'
    return f'<path d="M{x} {y} C{x} {y + 38} {to} {down - 38} {to} {down}"/>'


def box(name: str, x: int, y: int) -> str:
    """A package."""
    title = f'<text x="{x}" y="{y - 4}" class="name">{name}</text>'
    text = f'<text x="{x}" y="{y + 15}" class="text">{TEXTS[name]}</text>'
    return f'<rect x="{x - 108}" y="{y - 27}" width="216" height="54" rx="6"/>{title}{text}'


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
