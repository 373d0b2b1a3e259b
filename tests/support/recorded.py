"""Folders of runs and sweeps with no more than their records: hundreds of them are written in no time."""

import json

CONFIG = "seed: 0\noptimizer:\n  type: adam\n  lr: {lr}\n  groups:\n  - match: '*.b'\nmodel:\n  layers: {{}}\n"


def run(folder, *words, lr=0.1, metrics=None, **state):
    """A run that has ended."""
    folder.mkdir(parents=True)
    content = {"status": "finished", "started": 1e9, "ended": state.get("started", 1e9) + 2, "tags": {}, "name": "unnamed"}
    content |= {"command": " ".join(["stackprop", *words]), "choices": {"model": "mlp"}}
    content |= {"lower_is_better": {"val/loss": True, "val/accuracy": False}, "metrics": metrics or {}}
    (folder / "run.json").write_text(json.dumps({**content, **state}))
    (folder / "config.yaml").write_text(CONFIG.format(lr=lr) + "tracking:\n  type: none\n")
    return folder


def sweep(folder, key, values, metrics, **about):
    """A sweep over one key, with a validation loss for each job."""
    for number, (value, loss) in enumerate(zip(values, metrics, strict=True)):
        status = "failed" if loss is None else "finished"
        found = {} if loss is None else {"val/loss": loss}
        run(folder / str(number), f"{key}={value}", metrics=found, status=status, tags={"sweep": folder.name})
    content = {"command": ["-m"], "jobs": {str(i): {} for i in range(len(values))}, "launched": 2e9, "about": about}
    (folder / "sweep.json").write_text(json.dumps(content))
    return folder
