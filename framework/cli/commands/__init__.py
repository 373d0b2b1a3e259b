"""The tools of the shell, one per file: `stackprop VERB ...`."""

VERBS: dict[str, str] = {
    "check": "the conformance kit on a component: stackprop check dense",
    "compare": "table and figure of a sweep: stackprop compare last y=val/accuracy x=optimizer.lr",
    "describe": "what a component, group, preset, experiment or key is: stackprop describe adam",
    "doctor": "store, devices, versions; ends interrupted runs, sends missing data to the store",
    "evaluate": "a recorded run on its test split, or on a file: stackprop evaluate last [data.csv]",
    "export": "metrics as CSV or Parquet, a network as ONNX or PyTorch module: stackprop export last to=net.onnx",
    "figure": "a figure of a run or a sweep as PNG, PDF or SVG: stackprop figure last loss to=loss.pdf",
    "forecast": "continue a series with a trained network, as CSV and a figure: stackprop forecast last --steps 20",
    "generate": "continue a prompt with a trained network: stackprop generate last --prompt 'to be'",
    "kernel": "the compiled training step as formulas, with its costs: stackprop kernel model=mlp --time",
    "new-plugin": "a distribution for your own components, with tests: stackprop new-plugin bent --kind layer",
    "plugins": "components, presets and the plugins that provide them; load errors",
    "predict": "predictions of a recorded run for a file, as CSV: stackprop predict last data.csv",
    "report": "a run or a sweep as one HTML file, readable offline: stackprop report last",
    "rerun": "a recorded run again, with changes: stackprop rerun last seed=1",
    "resume": "go on with a run, to its end or for longer: stackprop resume last [trainer.epochs=+20]",
    "save": "an experiment of your own from the overrides of a command: stackprop save wide model.hidden=512",
    "summary": "nodes, shapes, parameters and bytes of a network: stackprop summary model=mlp2",
    "ui": "open the tracking UI on this machine: stackprop ui [--port 5000]",
}
