"""Wrong requests, each answered with status 2, in words, and with nothing left behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # processes of their own

REQUESTS = {
    "optimizer=adm": "optimizer: no 'adm'; did you mean 'adam'?",
    "model=mpl": "model: no 'mpl'; did you mean 'mlp'?",
    "dataset=digit": "dataset: no 'digit'; did you mean 'digits'?",
    "loss=mes": "loss: no 'mes'; did you mean 'mse'?",
    "activation=rleu": "activation: no 'rleu'; did you mean 'relu'?",
    "initializer=he": "initializer: no 'he'; did you mean 'he_",
    "regularizer=l3": "regularizer: no 'l3' (there are: l1, l1_proximal, l2, max_norm)",
    "augmentation=[hflp]": "augmentation: no 'hflp'; did you mean 'hflip'?",
    "augmentation=[rotate] augmentation.rotate.degrees=200": "augmentation.rotate.degrees: 200.0 must be at most 180",
    "augmentation=[noise,hflip] dataset=sine": "augmentation.hflip: it works on NCHW, but the first field 'x' is NF",
    "dataset=shifted_digits dataset.shift=5": "dataset: shift: 5 pixels leave the frame of 16, which has room for 4",
    "schedule=constnt": "schedule: no 'constnt'; did you mean 'constant'?",
    "trainer=defalt": "trainer: no 'defalt'; did you mean 'default'?",
    "tracking=mlflw": "tracking: no 'mlflw'; did you mean 'mlflow'?",
    "debug=quick": "debug: no 'quick' (there are: fast)",
    "optimiser=adam": "optimiser",
    "optimizer.lrr=1": "optimizer.lrr: optimizer 'adam' has no such option; did you mean 'lr'?",
    "optimizer.lr=-1": "optimizer.lr: -1.0 must be above 0",
    "optimizer.lr=fast": "optimizer.lr: 'fast' is not a number",
    "optimizer.beta1=1": "optimizer.beta1: 1.0 must be below 1",
    "optimizer.epsilon=insid": "optimizer.epsilon: 'insid' is not allowed; did you mean 'inside'?",
    "model.hiden=3": "model.hiden: Key 'hiden' is not in struct; did you mean 'hidden'?",
    "+model.hiden=3": "model.hiden: nothing uses it; did you mean 'hidden'?",
    "model.hidden=0": "model.layers.hidden.units: 0 must be at least 1",
    "model.hidden=many": "model.layers.hidden.units: 'many' is not an integer or 'auto'",
    "model.layers.hidden.unit=3": "model.layers.hidden.unit: layer 'dense' has no such option; did you mean 'units'?",
    "model.layers.hiden.units=3": "to change another one, name it; did you mean 'hidden'?",
    "model.layers.hidden.initializer=xavir_normal": "model.layers.hidden.initializer.type: unknown initializer 'xavir_normal'",
    "model.layers.flat=null": "model.layers.hidden: dense reads (F,) or (T, F), not (1, 8, 8)",
    "model.layers.drop={type:dropout,keep:0,after:act}": "model.layers.drop.keep: 0.0 must be above 0",
    "model.layers.drop={type:dropout,after:atc}": "model.layers.drop.after: no other layer 'atc'; did you mean 'act'?",
    "model.layers.out.units=7": "model.layers.out: it has 7 outputs, and head 'loss' needs 10",
    "model.layers.act.from=hiden": "model.layers.act: input 'hiden' is not defined before this layer",
    "model.layers.sum=add": "model.layers.sum: add needs several sources",
    "seed=x": "seed: 'x' is not an integer",
    "+sed=3": "sed: no such key; did you mean 'seed'?",
    "device=gpu": "device: 'gpu' cannot be used here",
    "device=tpu": "device: 'tpu' is not allowed",
    "dtype=float16": "dtype: 'float16' is not allowed",
    "optimizer=null": "optimizer: no 'null' (there are: adadelta",
    "loss=true": "loss: no 'true' (there are: auto",
    "loss=3": "loss: no '3' (there are: auto",
    "activation=[relu,1]": "activation: no '[relu,1]'; did you mean 'relu'?",
    "hydra=3": "hydra: no '3'",
    "hydra/launcher=3": "hydra/launcher: no '3' (there are: basic, ray, stacked, submitit)",
    "-m loss=mse,true dataset=xor": "job 1 (loss=True dataset=xor): loss: no 'True' (there are: auto",
    "-m --cfg job seed=0,1": "-m and --cfg do not go together",
    "--cfg job --info": "--cfg and --info do not go together",
    "--resolve": "--resolve goes with --cfg",
    "--experimental-rerun nothing.pickle": "--experimental-rerun: refused (nothing.pickle)",
    "--mulltirun seed=0,1": "unrecognized arguments: --mulltirun",
    "trainer.epochs=1.5": "trainer.epochs: 1.5 is not an integer",
    "seed=range(4": "seed: range(4 cannot be read; calls are range(4)",
    "é=1": "é=1: cannot be read; letters beyond a-z, brackets, =, %, # and blanks need quotes",
    "dataset.drop=[Länge]": "type 'dataset.drop=[\"Länge\"]'",
    "-m dataset.path=~/a.csv,b.csv": "type 'dataset.path=\"~/a.csv\",b.csv'",
    "model.hidden=3 model.layers.hidden.units=64": "model.hidden: nothing uses it; another value stands in its place",
    "-m model.hidden=3,4 model.layers.hidden.units=64": "model.hidden: nothing uses it; another value stands in its place",
    "dataset=csv dataset.target=y dataset.path=~/no_such.csv": "no_such.csv: there is no such file",
    "dataset=csv dataset.target=y dataset.path=a%#=(1)é.csv": "a%#=(1)é.csv: there is no such file",
    "threads=0": "threads: 0 must be at least 1, or auto",
    "tier=compile": "tier: 'compile' is not allowed; did you mean 'compiled'?",
    "trainer.epochs=0": "trainer.epochs: 0 must be at least 1",
    "trainer.batch_size=al": "trainer.batch_size: 'al' is not an integer or 'all'",
    "trainer.on_divergence=ignore": "trainer.on_divergence: 'ignore' is not allowed",
    "trainer.early_stopping.patience=2 trainer.early_stopping.monitor=val/acuracy": "'val/acuracy' is not measured",
    "dataset=xor dataset.val=false trainer.early_stopping.patience=2": "the data set has no validation split to watch",
    "loss=mse": "loss: MeanSquaredError takes targets of kind real or columns or binary, and 'y' is label",
    "loss=softmax_cross_entropy dataset=sine": "SoftmaxCrossEntropy takes targets of kind label, and 'y' is real",
    "metrics=[acuracy]": "metrics.acuracy.type: unknown metric 'acuracy'; did you mean 'accuracy'?",
    "dataset=csv dataset.target=y": "dataset.path: missing; dataset 'csv' needs it",
    "dataset=csv dataset.path=nothing.csv dataset.target=y": "nothing.csv",
    "dataset.scale=standart": "dataset.scale: 'standart' is not allowed; did you mean 'standard'?",
    "dataset.val=1.5": "dataset.val: 1.5 must be below 1",
    "dataset.val=0.6 dataset.test=0.6": "leave none of 1797 for training",
    "+hydra.callbacks.x._target_=webbrowser.open": "hydra.callbacks.x._target_: refused",
    "+model.layers.act._target_=os.system": "model.layers.act._target_: refused",
    "+optimizer.x='${nothing}'": "nothing",
    "-m optimizer.lr=0.1,-1": "optimizer.lr: -1.0 must be above 0",
    "-m loss=mse,softmax_cross_entropy": "loss: MeanSquaredError takes targets of kind real",
    "trian": "no verb 'trian'",
    "compare last": "no sweep 'last' in runs; there are no sweeps yet",
    "resume nothing": "no run 'nothing' in runs; there are no runs yet",
    "describe adm": "no component 'adm'; did you mean 'adam'?",
    "predict nothing x.npz": "no run 'nothing'",
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """request -> the folder where it was asked, with stdout, stderr and status."""
    places = {request: tmp_path_factory.mktemp("wrong") for request in REQUESTS}
    asked = tmp_path_factory.mktemp("asked") / "requests.json"
    asked.write_text(json.dumps([(request.split(), str(place)) for request, place in places.items()]))
    subprocess.run([sys.executable, Path(__file__).with_name("answering.py"), asked], check=True, timeout=300)
    return places


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_wrong_request_is_answered_in_words_and_leaves_nothing(answers, request_):
    place = answers[request_]
    told = (place / "stderr").read_text()
    assert (place / "status").read_text() == "2", (place / "stdout").read_text() + told
    assert REQUESTS[request_] in told
    assert "Traceback" not in told
    assert not list(place.rglob("run.json"))
    assert not (place / "runs" / "mlflow.db").exists()
