"""Sweeps: jobs trained in stacks, processes or tasks of a cluster; searches; resuming.

app.py         the common code of shell and Python: from a command to jobs, and running a job
composer.py    overrides become configurations: one full composition per choice of groups, values on a copy of it
jobs.py        all jobs of a sweep validated and built before the first one runs
job_dir.py     the folder and the name of a job
folders.py     a job's folder
grouping.py    which jobs share a stack, and how wide it may be
launcher.py    stacks one after another, in processes, or as tasks of a cluster
executors/     a stack that trains elsewhere: processes, submitit, Ray
progress.py    the progress that a user sees
manifest.py    the jobs of a sweep and their state, for resuming
summary.py     the summary run of a sweep in the tracking store
sweepers.py    the sweepers, `hydra/sweeper=ant_colony` and others
search/        which trials a search runs next, and how they run
"""
