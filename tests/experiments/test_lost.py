"""What is said of runs whose process was killed."""

import json

from framework.experiments.lost import remedies


def test_jobs_of_a_sweep_are_one_line_with_its_command(tmp_path):
    folders = [tmp_path / "s" / "0", tmp_path / "s" / "1", tmp_path / "alone"]
    for folder in folders:
        folder.mkdir(parents=True)
        tags = {} if folder.name == "alone" else {"sweep": "s"}
        (folder / "run.json").write_text(json.dumps({"status": "lost", "tags": tags}))
    (tmp_path / "alone" / "checkpoint.npz").touch()
    alone, sweep = remedies(folders)
    assert alone.endswith(f"its process was killed; resume with `stackprop resume {tmp_path}/alone`")
    assert sweep.startswith(f"{tmp_path}/s: 2 jobs ended, since the process was killed; `stackprop resume ")
    (tmp_path / "alone" / "checkpoint.npz").unlink()
    assert remedies(folders[2:])[0].endswith(f"no checkpoint; train it again with `stackprop rerun {tmp_path}/alone`")
    assert "1 job ended" in remedies(folders[:1])[0]
