"""Ray as an engine; the extra `ray`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from framework.core.errors import ConfigError
from framework.sweeps.executors.cluster import Cluster, TaskLostError, run_task, task_options
from framework.sweeps.executors.task import JobEnd, StackTask

RESOURCES = {"num_cpus": ("CPU", "CPU"), "num_gpus": ("GPU", "GPU"), "memory": ("memory", "bytes of memory")}


class Ray(Cluster):
    """Ray as an engine.

    Args:
        address: of a cluster; None: a local one, for the duration of the sweep.
        parameters: requirements of a task, for example `num_cpus` or `num_gpus`.

    Raises:
        ConfigError: the cluster does not exist, or a parameter is not valid.
    """

    def __init__(self, address: str | None, parameters: Mapping[str, Any]) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
        import ray

        self.ray, self.needs, self.looked = ray, task_options(parameters), False
        try:
            # A killed task is not restarted; `sweep.resume` can do so once the reason is known.
            self.remote = ray.remote(run_task).options(max_retries=0, **self.needs)
            ray.init(address, include_dashboard=False if address is None else None, log_to_driver=False)
        except (ConnectionError, RuntimeError, TypeError, ValueError) as error:
            raise ConfigError(f"hydra.launcher: {first_line(error)}") from error

    def submit(self, task: StackTask, number: int) -> Any:
        """Submit a task to the cluster."""
        return self.remote.remote(task, number)

    def ends(self, handle: Any) -> list[JobEnd] | None:
        """The result of the task."""
        try:
            if not self.ray.wait([handle], timeout=0)[0]:
                return None
            return list(self.ray.get(handle))
        except self.ray.exceptions.RayError as error:
            raise TaskLostError(f"its task was ended ({reason_of(error)})") from error

    def cancel(self, handle: Any) -> None:
        """Interrupt the task."""
        self.ray.cancel(handle)

    def close(self) -> None:
        """Leave the cluster; a local one ends."""
        self.ray.shutdown()

    def news(self) -> list[str]:
        """What a task needs and no machine of the cluster has, once: more machines may join it."""
        if self.looked:
            return []
        self.looked = True
        alive: Any = self.ray.nodes
        nodes = [node.get("Resources", {}) for node in alive() if node.get("Alive")]
        wanted = {RESOURCES[key]: value for key, value in self.needs.items() if key in RESOURCES}
        own = self.needs.get("resources") or {}
        wanted |= {(name, name): value for name, value in own.items()}
        gpus = sum(node.get("GPU", 0) for node in nodes)
        hidden = (
            "stackprop: Ray hides the cluster's {} GPUs from the tasks; hydra.launcher.parameters.num_gpus=1 takes one each"
        )
        lines = [hidden.format(_number(gpus))] if gpus and "num_gpus" not in self.needs else []
        return lines + [
            f"stackprop: waiting for {_number(value)} {what}; the largest machine of the cluster has {_number(most)}"
            for (name, what), value in wanted.items()
            if value > (most := max((node.get(name, 0) for node in nodes), default=0))
        ]


def reason_of(error: Exception) -> str:
    """The reason of a lost task: the exception that its function raised, or what Ray says about its process."""
    cause = getattr(error, "cause", None)
    shown = cause if isinstance(cause, BaseException) else error
    return f"{type(shown).__name__}: {first_line(shown)}"


def first_line(error: BaseException) -> str:
    """The first line of a message; Ray's messages go on with its logs and with advice."""
    return next(iter(str(error).strip().splitlines()), "no reason is given")


def _number(value: float) -> str:
    return f"{value:g}"
