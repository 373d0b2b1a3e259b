"""Artifacts in a folder of this machine. MLflow has a class for this too, whose import takes two seconds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from framework.core.writing import replaced


class LocalArtifacts:
    """The artifacts of a run or a model.

    Args:
        uri: of their folder, as a file URI.
    """

    def __init__(self, uri: str) -> None:
        self.artifact_dir = Path(url2pathname(urlsplit(uri).path))

    def log_artifact(self, path: str | os.PathLike[str], folder: str | None = None) -> None:
        """Copy a file, into a folder within."""
        to = self.artifact_dir / (folder or "")
        to.mkdir(parents=True, exist_ok=True)
        with open(path, "rb") as file, replaced(to / Path(path).name, lasting=False) as copy:
            shutil.copyfileobj(file, copy)

    def log_artifacts(self, folder: str | os.PathLike[str]) -> None:
        """Copy the content of a folder."""
        shutil.copytree(folder, self.artifact_dir, copy_function=shutil.copyfile, dirs_exist_ok=True)

    def delete_artifacts(self) -> None:
        """Delete all."""
        shutil.rmtree(self.artifact_dir)


def is_local(uri: str) -> bool:
    """Whether artifacts lie in a folder of this machine: `file:///home/ann/runs/artifacts/...`."""
    return uri.startswith("file:///")
