"""Composes configurations fast: a full composition takes 50 ms, and a sweep has hundreds of jobs.

Only a choice of groups changes how a configuration is composed. Each such choice is composed once, in full, that of the
command with the configuration of the sweep; the values of a job are then set on a copy. Of jobs that set the same keys, the
first two are made like this; if plain trees give the second one as well, further jobs are plain trees. `JobComposer` uses
private names of Hydra 1.3, as does `config/composition.py`.
"""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from framework.config.composition import named_index, task_part
from framework.config.overrides import check_overrides
from framework.core.errors import ConfigError
from framework.experiments.experiment import Experiment
from framework.sweeps.plain_jobs import ComposedJob, PlainJobs, folder_words, is_plain, own_overrides
from framework.sweeps.session import session

__all__ = ["ComposedJob", "JobComposer", "composer_of"]


def composer_of(loader: Any, master: Any) -> JobComposer:
    """One composer for all batches of a sweep, so that no choices are composed twice."""
    own = session()
    if own.composer is None or own.composer.master is not master:
        own.composer = JobComposer(loader, master)
    composer: JobComposer = own.composer
    return composer


class JobComposer:
    """Composes the jobs of a sweep.

    Args:
        loader: Hydra's loader.
        master: the configuration of the whole sweep.

    Attributes:
        sweep: the folder of the sweep.
        fixed: the keys that the command sets to one value for all jobs.
        known: plugins -> the parts of configurations and the experiments that jobs share.
    """

    def __init__(self, loader: Any, master: Any) -> None:
        self.loader, self.master = loader, master
        self.sweep = str(master.hydra.sweep.dir)
        self.dirname = SimpleNamespace(**OmegaConf.to_container(master.hydra.job.config.override_dirname))  # type: ignore[arg-type]
        parser = OverridesParser.create(config_loader=loader)
        words: Any = OmegaConf.to_container(master.hydra.overrides.task, resolve=False)  # a reference may hold a password
        given = parser.parse_overrides(words)
        fixed = [override for override in given if not override.is_sweep_override()]
        self.fixed = {override.key_or_group for override in fixed}
        self.parse = functools.cache(lambda text: parser.parse_override(text))
        self.is_group = functools.cache(loader.repository.group_exists)
        self.bases: dict[tuple[str, ...], tuple[Any, Any, set[str]]] = {}
        choices = [override for override in fixed if self._chooses(override)]
        if all(override in choices or override.type == OverrideType.CHANGE for override in fixed):
            self._keep(tuple(str(override.input_line) for override in choices), copy.deepcopy(master))
        self.makers: dict[
            tuple[Any, ...], PlainJobs | None
        ] = {}  # choices and keys -> what makes plain jobs, if they can be
        self.known: dict[str, tuple[dict[bytes, Any], dict[Any, Experiment]]] = {}

    def job(self, overrides: Sequence[str], number: int) -> ComposedJob:
        """The configuration of a job, equal to a full composition with these overrides.

        Raises:
            ConfigCompositionException: a key cannot be overridden.
            ConfigError: the configuration contains something that is not allowed.
        """
        parsed = [self.parse(text) for text in overrides]
        choices = [override for override in parsed if self._chooses(override)]
        values = [override for override in parsed if override not in choices]
        same = (*(str(override.input_line) for override in choices), *((v.key_or_group, v.type) for v in values))
        maker = self.makers.get(same)
        plain = maker.job(parsed, values, number, self.dirname) if maker and all(map(is_plain, values)) else None
        if maker and plain and maker.checked:
            return plain
        made = self._composed(overrides, parsed, choices, values, number)
        if same not in self.makers:
            self.makers[same] = PlainJobs.of(made, values)
        elif maker and plain:
            maker.checked = plain == made
            if not maker.checked:
                self.makers[same] = None
        return made

    def _composed(
        self,
        overrides: Sequence[str],
        parsed: Sequence[Override],
        choices: Sequence[Override],
        values: Sequence[Override],
        number: int,
    ) -> ComposedJob:
        """The configuration of a job by Hydra and OmegaConf."""
        whole, task, variables = self._base(tuple(str(override.input_line) for override in choices))
        task = copy.deepcopy(task)
        HydraConfig.instance().cfg = whole  # the meaning of ${hydra:...} for this job
        try:
            with named_index(overrides):
                ConfigLoaderImpl._apply_overrides_to_config(list(values), task)
        except OmegaConfBaseException as error:
            raise ConfigCompositionException(str(error)) from error
        folder = self._place(whole, task, parsed, number)
        if values:
            check_overrides(task, variables, [*self.master.hydra.overrides.task, *overrides])
        hydra: Any = OmegaConf.to_container(whole.hydra, resolve=False, enum_to_str=True)
        plain, resolved = (OmegaConf.to_container(task, resolve=resolve, enum_to_str=True) for resolve in (False, True))
        return ComposedJob(plain, resolved, hydra, tuple(hydra["overrides"]["task"]), folder)  # type: ignore[arg-type]

    def _chooses(self, override: Override) -> bool:
        """Whether an override changes the composition: a choice of a group, or an option of Hydra."""
        of_hydra = override.key_or_group.startswith("hydra.") or override.key_or_group == "hydra"
        return of_hydra or (self.is_group(override.key_or_group) and not isinstance(override.value(), dict))

    def _base(self, choices: tuple[str, ...]) -> tuple[Any, Any, set[str]]:
        if choices not in self.bases:
            self._keep(choices, self.loader.unvalidated(self.master, list(choices)))
        return self.bases[choices]

    def _keep(self, choices: tuple[str, ...], whole: Any) -> None:
        self.bases[choices] = whole, copy.deepcopy(task_part(whole)), self.loader.variables

    def _place(self, whole: Any, task: Any, overrides: Sequence[Override], number: int) -> str:
        """Write the job's name, number and folder into Hydra's part, which all jobs of these choices share; returns the
        folder.

        Raises:
            ConfigError: it is not in the sweep's folder.
        """
        hydra, own = whole.hydra, own_overrides(overrides)
        with read_write(hydra), open_dict(hydra):
            hydra.overrides.task = [override.input_line for override in own]
            job = hydra.job
            job.num = number
            job.id = str(number)
            job.override_dirname = folder_words(own, self.dirname)
            name = self._subdir(whole, task)
            folder = os.path.abspath(os.path.join(self.sweep, name))
            if name in ("", ".", "attempts") or os.path.basename(name) != name:
                raise ConfigError(
                    f"hydra.sweep.subdir: a job's folder must lie in the sweep's folder (got '{name}'); give a single name"
                )
            hydra.runtime.output_dir = folder
        return folder

    def _subdir(self, whole: Any, task: Any) -> str:
        """The name of the job's folder, which may contain values of the job: lr${optimizer.lr}."""
        subdir = OmegaConf.to_container(whole.hydra.sweep, resolve=False)["subdir"]  # type: ignore[call-overload, index]
        if "${" not in str(subdir) or str(subdir).startswith("${hydra"):
            return str(whole.hydra.sweep.subdir)
        own = copy.deepcopy(task)
        with read_write(own), open_dict(own):
            own.hydra, own["_subdir"] = {"job": whole.hydra.job}, subdir
        return str(own["_subdir"])
