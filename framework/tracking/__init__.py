"""What a run writes: its folder, its metrics, its run in MLflow."""
