"""How the jobs of a sweep become stacks, processes or tasks of a cluster.

composer.py    overrides become configurations: one full composition per choice of groups, values on a copy of it
jobs.py        all jobs of a sweep judged and put together before the first one runs
places.py      where a job is written, and what it is called
grouping.py    which jobs share a stack, and how wide it may be
folders.py     a job's folder
stacked.py     the launcher: stacks one after another, in processes, or as tasks of a cluster
tasks.py       a stack that trains elsewhere: what is sent, and what comes back
workers.py     stacks in processes: one that is killed costs its jobs, not the sweep
clusters.py    the engines that take stacks to other machines: submitit, Ray
distant.py     stacks as tasks of a cluster, watched through the folders that they write
progress.py    what a person sees of it
manifest.py    what a sweep was asked to do, and what of it is done: resuming
summary.py     the sweep's own run in the tracking store
sweepers.py    what `hydra/sweeper=ant_colony` and others stand for
search.py      a search: trials asked for, run as a batch of jobs, told, until there are enough
search_space.py, archive.py    what is searched; what was tried, on disk
"""
