"""Where the experiments of a user lie. Read by completion too: nothing of Hydra is imported here."""

from __future__ import annotations

from pathlib import Path

from framework.tracking.run_dir import runs_dir

FOLDER = "experiments"


def experiments_dirs() -> list[Path]:
    """`experiments/` in the folder of the command, then the one beside the folder of runs."""
    places = (Path(), runs_dir().parent)
    found = {(place / FOLDER).absolute(): place / FOLDER for place in places}
    return list(found.values())


def experiment_files(folder: Path) -> list[str]:
    """The names of the experiments in a folder, `wide` or `widths/narrow`; other folders within it are not searched."""
    found = (path for pattern in ("*.yaml", "*/*.yaml") for path in folder.glob(pattern))
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in found)


def own_experiments() -> list[str]:
    """The names of all experiments of the user."""
    return sorted({name for folder in experiments_dirs() for name in experiment_files(folder)})
