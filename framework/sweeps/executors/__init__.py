"""Executors: where the stacks of a sweep train.

task.py             a stack in another process: what is sent, and its results
processes.py        stacks in processes: a killed process affects only its own jobs
cluster.py          an engine that runs stacks on other machines, and a task of it
submitit_engine.py  submitit: SLURM, or processes of this machine
slurm.py            what SLURM knows of jobs
ray_engine.py       Ray
cluster_run.py      stacks as tasks of a cluster, watched through the folders that they write
restart.py          a task that is started again: only what is missing trains
submitted.py        the tasks that a cluster has, for a later launch
"""
