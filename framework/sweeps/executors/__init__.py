"""Executors: where the stacks of a sweep train.

task.py           a stack in another process: what is sent, and its results
processes.py      stacks in processes: a killed process affects only its own jobs
cluster.py        engines that run stacks on other machines: submitit, Ray
cluster_run.py    stacks as tasks of a cluster, watched through the folders that they write
"""
