"""The one logger of the library, and how the command shows it."""

from __future__ import annotations

import logging
import os
import sys
import warnings

log = logging.getLogger("stackprop")

# The libraries whose warnings are about their own code; a user of the command can change nothing about them.
OTHERS = (
    "alembic|cupy|fastapi|hydra|joblib|matplotlib|mlflow|numpy|omegaconf|optuna|pandas|pluggy|pyarrow|pydantic|ray|scipy|"
    "sklearn|sqlalchemy|starlette|submitit|uvicorn"
)
AGING = (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ResourceWarning, ImportWarning)


class StderrHandler(logging.Handler):
    """`stackprop: warning: ...` on the standard error of the moment; errors without the word."""

    def emit(self, record: logging.LogRecord) -> None:
        word = "warning: " if record.levelno == logging.WARNING else ""
        print(f"stackprop: {word}{record.getMessage()}", file=sys.stderr, flush=True)


def show() -> None:
    """Print the messages of the library in this process, each once."""
    if not any(isinstance(handler, StderrHandler) for handler in log.handlers):
        log.addHandler(StderrHandler())
        log.setLevel(logging.INFO)
        log.propagate = False


def quiet_others() -> None:
    """Do not show warnings and notes of other libraries in this process of the command. In a program of a user that is for
    the user to decide. What a user's plugin warns of is still shown."""
    warnings.filterwarnings("ignore", module=rf"({OTHERS})([._]|$)")
    for category in AGING:
        warnings.filterwarnings("ignore", category=category, module=r"framework([._]|$)")
    for name in ("alembic", "mlflow", "optuna", "sqlalchemy", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)


def quiet_variables() -> dict[str, str]:
    """The same for libraries that read the environment when they are imported; what the user has set is kept."""
    return {"MLFLOW_LOGGING_LEVEL": os.environ.get("MLFLOW_LOGGING_LEVEL", "ERROR")}
