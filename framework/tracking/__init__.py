"""Recording of runs: the folder, the metrics, the run in MLflow.

run_record.py        a run's record, from start to end
run_dir.py           finds a run or a sweep by its name, and reads its record; folders.py finds the folders of all
naming.py            names, tags and notes
metrics_file.py      metrics.jsonl; recorder.py writes it, and thins it for the store
thinning.py          means and summaries of series that are too long for the memory
checkpoint.py        the state of a training
locks.py             which process has a run; owner.py tells whether it is alive
mlflow.py            the store; mlflow_client.py opens it, writers.py writes beside the training
sqlite_client.py     the local store without MLflow: runs; sqlite_models.py models and data sets, sqlite_base.py the database
entities.py          what its calls take; local_artifacts.py its files, empty_store.py the copy that a new one starts from
allowance.py         how long a store may delay a training
edits.py             changes to recorded runs; relocation.py after a move of the project
origins.py           the sources of a run's components
options.py           the options of tracking
"""
