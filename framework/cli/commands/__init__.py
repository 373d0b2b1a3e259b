"""The tools of the shell, one per file: `stackprop VERB ...`."""

VERBS: dict[str, str] = {
    "check": "the conformance kit on a component: stackprop check dense",
    "compare": "table and figure of a sweep: stackprop compare last y=val/accuracy x=optimizer.lr",
    "delete": "runs or sweeps, with their data in MLflow: stackprop delete wide, stackprop delete status=failed",
    "describe": "options, ranges, defaults and formula of a component: stackprop describe adam",
    "doctor": "store, devices, versions; ends interrupted runs, sends missing data to the store",
    "evaluate": "a recorded run on its test split, or on a file: stackprop evaluate last [data.csv]",
    "figure": "a figure of a run or a sweep as PNG, PDF or SVG: stackprop figure last loss to=loss.pdf",
    "forecast": "continue a series with a trained network, as CSV and a figure: stackprop forecast last --steps 20",
    "generate": "continue a prompt with a trained network: stackprop generate last --prompt 'to be'",
    "kernel": "the compiled training step as formulas, with its costs: stackprop kernel model=mlp --time",
    "list": "recorded runs and sweeps, filtered and sorted: stackprop list status=finished --sort val/loss",
    "new-plugin": "a distribution for your own components, with tests: stackprop new-plugin bent --kind layer",
    "plugins": "components, presets and the plugins that provide them; load errors",
    "predict": "predictions of a recorded run for a file, as CSV: stackprop predict last data.csv",
    "report": "a run or a sweep as one HTML file, readable offline: stackprop report last",
    "resume": "resume a run from its last checkpoint: stackprop resume last",
    "summary": "nodes, shapes, parameters and bytes of a network: stackprop summary model=mlp2",
    "tag": "name, notes and tags of recorded runs: stackprop tag last name=wide paper=fig3",
    "ui": "open the tracking UI on this machine: stackprop ui [--port 5000]",
}
