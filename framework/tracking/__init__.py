"""Recording of runs: the folder, the metrics, the run in MLflow."""
