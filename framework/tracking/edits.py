"""Changes to runs in a store that have ended: their name, tags and notes, and their deletion."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from framework.core.writing import size_of
from framework.tracking.mlflow import NOTE, MlflowStore
from framework.tracking.mlflow_client import artifact_repository, entities_of
from framework.tracking.naming import About

LONGEST = 7900  # characters of a page, of 8000 that a tag holds
METRICS = "### Metrics"  # the heading of a page that follows the notes


def relabel(store: MlflowStore, run_id: str, old: About, new: About, shown: str) -> None:
    """Change the name, the tags and the notes of a run. The rest of its page stays.

    Args:
        shown: the name in the UI.

    Raises:
        Exception: an error of the store.
    """
    own, run = entities_of(store.client), store.client.get_run(run_id)
    page = with_notes(str(run.data.tags.get(NOTE, "")), old.notes, new.notes)
    tags = {**new.tags, NOTE: page[:LONGEST]}
    store.client.log_batch(run_id, tags=[own.RunTag(key, value) for key, value in tags.items()])
    for key in old.tags.keys() - new.tags.keys():
        if key in run.data.tags:
            store.client.delete_tag(run_id, key)
    if run.info.run_name != shown:
        store.client.update_run(run_id, name=shown)


def notes_section(notes: str) -> str:
    """The part of a page that holds the notes; empty without notes."""
    return f"### Notes\n\n{notes}\n\n" if notes else ""


def with_notes(page: str, old: str, new: str) -> str:
    """A page with other notes. The page of a run that has not finished is the notes alone."""
    if old and notes_section(old) in page:
        return page.replace(notes_section(old), notes_section(new), 1)
    if not old and f"{METRICS}\n" in page:
        return page.replace(f"{METRICS}\n", f"{notes_section(new)}{METRICS}\n", 1)
    rest = page.removeprefix(old).lstrip("\n") if old else page
    return "\n\n".join(filter(None, (new, rest)))


def erase(store: MlflowStore, run_id: str, folder: Path | None = None) -> int:
    """Delete a run with its artifacts and its model; returns the bytes of files of this machine that were freed.

    Args:
        folder: only if it is the run of this folder: on a server, the folder that was deleted may be a copy.

    Raises:
        Exception: an error of the store.
    """
    client, freed = store.client, 0
    run = client.get_run(run_id)
    if folder is not None and run.data.tags.get("stackprop.folder") not in (os.path.abspath(folder), str(folder.resolve())):
        return 0
    outputs = run.outputs.model_outputs if run.outputs else []
    for output in outputs:
        with contextlib.suppress(Exception):  # it was deleted in the UI
            model = client.get_logged_model(output.model_id)
            freed += _without_files(model.artifact_location)
            client.delete_logged_model(output.model_id)
    freed += _without_files(run.info.artifact_uri)
    if run.info.lifecycle_stage == "active":
        client.delete_run(run_id)
    return freed


def _without_files(uri: str) -> int:
    """Delete the files at an address; a failure leaves them."""
    repository: Any = artifact_repository(uri)
    folder = Path(repository.artifact_dir) if hasattr(repository, "artifact_dir") else None
    size = size_of(folder) if folder else 0
    with contextlib.suppress(Exception):  # some servers delete no artifacts
        repository.delete_artifacts()
    if folder:
        with contextlib.suppress(OSError):  # the folder of the run, once it is empty
            folder.parent.rmdir()
    return size
