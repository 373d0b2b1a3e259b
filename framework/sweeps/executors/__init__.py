"""Where the stacks of a sweep train.

task.py           a stack that trains elsewhere: what is sent, and what comes back
processes.py      stacks in processes: one that is killed costs its jobs, not the sweep
cluster.py        the engines that take stacks to other machines: submitit, Ray
cluster_run.py    stacks as tasks of a cluster, watched through the folders that they write
"""
