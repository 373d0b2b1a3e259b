"""Clusters for tests: their tasks train in this process."""

from framework.sweeps.executors.cluster import Cluster, TaskLostError, run_task
from framework.sweeps.executors.cluster_run import ClusterRun
from framework.sweeps.progress import Progress


class Here(Cluster):
    """A cluster that trains in this process; it loses the tasks of some numbers."""

    def __init__(self, losing=()):
        self.losing, self.tasks, self.closed = losing, [], False

    def submit(self, task, number):
        self.tasks.append(task)
        return (number, [] if number in self.losing else run_task(task, number))

    def ends(self, handle):
        if handle[0] in self.losing:
            raise TaskLostError("its task was ended (a power cut)")
        return handle[1]

    def close(self):
        self.closed = True


def collect(engine, groups, n_jobs=None):
    """The results of stacks on a cluster."""
    return ClusterRun(engine, groups, n_jobs, Progress([job for group in groups for job in group])).collect()
