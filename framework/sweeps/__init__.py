"""How the jobs of a sweep become stacks, processes or tasks of a cluster.

app.py         what the shell and Python share: a command becomes jobs, a job runs
composer.py    overrides become configurations: one full composition per choice of groups, values on a copy of it
jobs.py        all jobs of a sweep validated and put together before the first one runs
job_dir.py     where a job is written, and what it is called
folders.py     a job's folder
grouping.py    which jobs share a stack, and how wide it may be
launcher.py    stacks one after another, in processes, or as tasks of a cluster
executors/     a stack that trains elsewhere: processes, submitit, Ray
progress.py    what a person sees of it
manifest.py    what a sweep was asked to do, and what of it is done: resuming
summary.py     the sweep's own run in the tracking store
sweepers.py    what `hydra/sweeper=ant_colony` and others stand for
search/        what a search tries next, and how its trials run
"""
