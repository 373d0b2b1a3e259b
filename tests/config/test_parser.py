"""A tree of plain values becomes components, or messages that help."""

import pytest
import yaml
from configs import judged, messages

from framework.config.options import TrainerOptions
from framework.tracking.options import Tracking


def test_options_without_a_choice_say_what_can_be_chosen():
    (line,) = messages("{regularizer: {strength: 0.1}}")
    assert line.startswith("regularizer: none is chosen that has regularizer.strength; regularizer=NAME chooses one")
    assert "l1, l1_proximal, l2, max_norm" in line
    assert "study=NAME chooses one" in messages("{study: {members: 3}}")[0]


def test_names_become_components():
    settings = judged()
    assert settings.seed == 3
    assert settings.optimizer.lr == 0.01
    assert list(settings.nodes) == ["hidden", "act", "out"]
    assert settings.trainer == TrainerOptions()
    assert settings.tracking == Tracking()


def test_activation_and_initializer_reach_every_layer_that_does_not_say_otherwise():
    nodes = judged("{model/layers/out: {type: dense, units: 1, initializer: zeros}}").nodes
    assert type(nodes["act"].layer.function).__name__ == "Tanh"
    assert nodes["hidden"].layer.initializer.gain == 2.0
    assert type(nodes["out"].layer.initializer).__name__ == "Zeros"


def test_a_layer_is_placed_after_another_and_removed_by_null():
    assert list(judged("{model/layers/drop: {type: dropout, after: act}}").nodes) == ["hidden", "act", "drop", "out"]
    assert "act" not in judged("{model/layers/act: null}").nodes


def test_sources_shared_tensors_and_frozen_nodes_are_said_in_the_node():
    nodes = judged(
        "{model/layers/sum: {type: add, from: [hidden, act]}, model/layers/out: {type: dense, units: 1, frozen: true}}"
    ).nodes
    assert nodes["sum"].source == ("hidden", "act")
    assert nodes["out"].frozen


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ("{optimizer/type: adm}", "optimizer.type: unknown optimizer 'adm'; did you mean 'adam'?"),
        ("{optimizer/lrr: 1}", "optimizer.lrr: optimizer 'adam' has no such option; did you mean 'lr'?"),
        ("{optimizer/lr: -1}", "optimizer.lr: -1.0 must be above 0"),
        ("{optimizer/lr: fast}", "optimizer.lr: 'fast' is not a number"),
        ("{optimizer/epsilon: insid}", "optimizer.epsilon: 'insid' is not allowed; did you mean 'inside'?"),
        (
            "{model/layers/hidden/unit: 3}",
            "model.layers.hidden.unit: layer 'dense' has no such option; did you mean 'units'?",
        ),
        ("{model/layers/hidden/units: some}", "model.layers.hidden.units: 'some' is not an integer or 'auto'"),
        ("{model/layers/hidden/bias: 1}", "model.layers.hidden.bias: 1 is not true or false"),
        ("{model/layers/x: {type: dens, units: 1}}", "model.layers.x.type: unknown layer 'dens'; did you mean 'dense'?"),
        ("{model/layers/x: {units: 1}}", "model.layers.x: a new layer needs a 'type'"),
        ("{model/layers/x: {type: dense}}", "model.layers.x.units: missing; layer 'dense' needs it"),
        (
            "{model/layers/x: {type: dropout, after: hiden}}",
            "model.layers.x.after: unknown layer 'hiden'; did you mean 'hidden'?",
        ),
        ("{activation: tanhh}", "activation.type: unknown activation 'tanhh'; did you mean 'tanh'?"),
        ("{sed: 1}", "sed: unknown key; did you mean 'seed'?"),
        ("{seed: 1.5}", "seed: 1.5 is not an integer"),
        ("{trainer/epochs: 0}", "trainer.epochs: 0 must be at least 1"),
        (
            "{trainer/early_stopping: {patence: 3}}",
            "trainer.early_stopping.patence: trainer.early_stopping has no such option; did you mean 'patience'?",
        ),
        ("{trainer/batch_size: al}", "trainer.batch_size: 'al' is not an integer or 'all'"),
        ("{dtype: float16}", "dtype: 'float16' is not allowed"),
        ("{tracking/type: mlflw}", "tracking.type: 'mlflw' is not allowed; did you mean 'mlflow'?"),
        ("{metrics: [acuracy]}", "metrics.acuracy.type: unknown metric 'acuracy'; did you mean 'accuracy'?"),
        ("{regularizer: {type: l3}}", "regularizer.type: unknown regularizer 'l3'"),
        ("{heads: {tag: {type: mse, target: 3}}}", "heads.tag.target: 3 is not a string"),
        ("{dataset/seed: x}", "dataset.seed: 'x' is not an integer"),
        ("{loss/reduction: sum}", "loss.reduction: the loss is auto, which has no options (got 'sum'); name it: loss="),
        ("{heads: {tag: {type: auto, delta: 3}}}", "heads.tag.delta: the loss is auto, which has no options (got 3)"),
    ],
)
def test_a_fault_is_named_with_its_key_its_value_and_the_nearest_choice(changes, expected):
    assert any(line.startswith(expected) for line in messages(changes)), messages(changes)


def test_all_faults_come_at_once():
    assert len(messages("{optimizer/lr: -1, seed: x, model/layers/hidden/units: 0}")) == 3


def test_a_group_in_error_is_told_once_although_many_layers_take_it_over():
    assert len(messages("{initializer: he_norml}")) == 1


def test_the_preset_of_the_trainer_shows_the_defaults_of_its_options(request):
    preset = yaml.safe_load((request.config.rootpath / "conf/trainer/default.yaml").read_text())
    assert judged(f"{{trainer: {preset}}}".replace("None", "null").replace("True", "true")).trainer == TrainerOptions()


def test_several_regularizers_have_names():
    found = judged("{regularizer: {small: {type: l2, strength: 0.1}, sparse: {type: l1}}}").regularizers
    assert [type(r).__name__ for r in found] == ["L2", "L1"]
