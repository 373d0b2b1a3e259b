"""`stackprop delete RUN...|FILTER...`: delete runs and sweeps, here and in the tracking store.

Folder, checkpoint, and the MLflow run with its artifacts and its model are deleted together. FILTER is as in
`stackprop list`: `stackprop delete status=failed`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from framework.analysis.listing import SweepRow, selected
from framework.analysis.listing.filters import is_filter
from framework.core.errors import ConfigError
from framework.core.memory import format_bytes
from framework.experiments.deletion import Deleter, Deletion, check_deletable, erase_alone, size
from framework.experiments.sync import close_lost_runs
from framework.tracking.naming import ID
from framework.tracking.run_dir import find_any, outermost, runs_dir

SHOWN = 20  # folders that are printed before a question


def main(arguments: Sequence[str]) -> int:
    """Ask, delete, and print what was freed; 1 if something is left."""
    parser = argparse.ArgumentParser("stackprop delete", description=__doc__)
    parser.add_argument("what", nargs="+", metavar="RUN|FILTER", help="names, folders, ids; or filters, which must all hold")
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="print what would be deleted")
    given, runs = parser.parse_intermixed_args(list(arguments)), runs_dir()
    if len(given.what) == 1 and (alone := without_folder(given.what[0])):
        return delete_alone(runs, alone, given.yes, given.dry_run)
    folders = chosen(given.what, runs)
    if not folders:
        print(f"no run in {runs} has {' '.join(given.what)}")
        return 0
    if not given.dry_run:
        close_lost_runs(runs)
    check_deletable(folders, runs)
    sizes = [size(folder) for folder in folders]
    if given.dry_run or not given.yes:
        show(sizes)
    if given.dry_run:
        return 0
    if not given.yes and not confirmed(total(sizes)):
        print("nothing was deleted")
        return 0
    deleter = Deleter(runs)
    done = [deleter.delete(folder) for folder in folders]
    for each in done:
        if each.left:
            print(f"left {each.folder}: {each.left}", file=sys.stderr)
        else:
            print(f"deleted {each.folder}")
    gone = [each for each in done if not each.left]
    print(f"{total(gone)} deleted, {format_bytes(sum(each.freed for each in done))} freed")
    return int(len(gone) < len(done))


def without_folder(word: str) -> str:
    """The id of an MLflow run that no folder has; empty if the word is something else."""
    if not ID.fullmatch(word):
        return ""
    try:
        find_any(word)
    except ConfigError:
        return word
    return ""


def delete_alone(runs: Path, run_id: str, yes: bool, dry_run: bool) -> int:
    """Delete an MLflow run that no folder has."""
    if dry_run or not (yes or confirmed(f"the MLflow run {run_id}")):
        print(f"{'would delete' if dry_run else 'not deleted:'} the MLflow run {run_id}, which has no folder")
        return 0
    print(f"deleted the MLflow run {run_id}, which had no folder; {format_bytes(erase_alone(runs, run_id))} freed")
    return 0


def chosen(words: Sequence[str], runs: Path) -> list[Path]:
    """The folders that words name or filter; a sweep as a whole if all its jobs are among them.

    Raises:
        ConfigError: unknown run, or a filter that cannot be read.
    """
    filters = [word for word in words if is_filter(word) and not any(path.exists() for path in (Path(word), runs / word))]
    folders = [find_any(word) for word in words if word not in filters]
    for row in selected(filters, runs, unfolded=False) if filters else ():
        whole = isinstance(row, SweepRow) and len(row.runs) == len(row.every)
        folders += [row.folder] if whole else [run.folder for run in row.runs]
    return outermost(folders)


def show(sizes: Sequence[Deletion]) -> None:
    """Print what would be deleted."""
    for each in sizes[:SHOWN]:
        print(f"{each.folder}: {total([each])}, {format_bytes(each.freed)}")
    if len(sizes) > SHOWN:
        print(f"... and {len(sizes) - SHOWN} more")
    print(f"{total(sizes)}, {format_bytes(sum(each.freed for each in sizes))}, and what the tracking store has of them")


def total(sizes: Sequence[Deletion]) -> str:
    """`1 run`, `12 runs`."""
    count = sum(each.runs for each in sizes)
    return f"{count} run{'s' if count != 1 else ''}"


def confirmed(what: str) -> bool:
    """Ask the user.

    Raises:
        ConfigError: there is no terminal to ask on.
    """
    if not sys.stdin.isatty():
        raise ConfigError("delete: nothing was deleted; without a terminal to ask on it needs --yes")
    try:
        return input(f"delete {what}? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
