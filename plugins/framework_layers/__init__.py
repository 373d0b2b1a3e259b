"""Layers: the nodes of a network."""

from framework import hookimpl
from framework.hooks import Register
from framework_layers.activation import ActivationLayer
from framework_layers.add import Add
from framework_layers.average_pool import AveragePool
from framework_layers.batch_norm import BatchNorm
from framework_layers.concat import Concat
from framework_layers.conv1d import Conv1d
from framework_layers.conv2d import Conv2d
from framework_layers.corrupt import Corrupt
from framework_layers.dense import Dense
from framework_layers.dropout import Dropout
from framework_layers.embedding import Embedding
from framework_layers.flatten import Flatten
from framework_layers.global_pool import GlobalPool
from framework_layers.gradient_scale import GradientScale
from framework_layers.group_norm import GroupNorm
from framework_layers.layer_norm import LayerNorm
from framework_layers.max_over_time import MaxOverTime
from framework_layers.max_pool import MaxPool
from framework_layers.mean_over_time import MeanOverTime
from framework_layers.multiply import Multiply
from framework_layers.one_hot import OneHot
from framework_layers.positions import Positions
from framework_layers.recurrent import Recurrent
from framework_layers.rms_norm import RmsNorm
from framework_layers.self_attention import SelfAttention
from framework_layers.sum_pool import SumPool
from framework_layers.tag_decoder import TagDecoder
from framework_layers.transitions import Transitions


@hookimpl
def register_layers(register: Register) -> None:
    register("activation", ActivationLayer)
    register("add", Add)
    register("average_pool", AveragePool)
    register("batch_norm", BatchNorm)
    register("concat", Concat)
    register("conv1d", Conv1d)
    register("conv2d", Conv2d)
    register("corrupt", Corrupt)
    register("dense", Dense)
    register("dropout", Dropout)
    register("embedding", Embedding)
    register("flatten", Flatten)
    register("global_pool", GlobalPool)
    register("gradient_scale", GradientScale)
    register("group_norm", GroupNorm)
    register("layer_norm", LayerNorm)
    register("max_over_time", MaxOverTime)
    register("max_pool", MaxPool)
    register("mean_over_time", MeanOverTime)
    register("multiply", Multiply)
    register("one_hot", OneHot)
    register("positions", Positions)
    register("recurrent", Recurrent)
    register("rms_norm", RmsNorm)
    register("self_attention", SelfAttention)
    register("sum_pool", SumPool)
    register("tag_decoder", TagDecoder)
    register("transitions", Transitions)
