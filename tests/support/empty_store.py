"""MLflow takes seconds to make a store. It makes one; the others of a process are copies of its file."""

import shutil


def copy_stores(folder):
    """Make every further store of this process a copy; the first is made in that folder."""
    from framework.tracking import mlflow_client  # here, as tests first say how many threads NumPy may use

    made, create = folder / "mlflow.db", mlflow_client.create

    def copied(path):
        if not made.exists():
            create(made)
        shutil.copy(made, path)

    mlflow_client.create = copied
