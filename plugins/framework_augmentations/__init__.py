"""Changes to training examples, and to their labels."""

from framework import hookimpl
from framework.hooks import Register
from framework_augmentations.crop_resize import CropResize
from framework_augmentations.cutmix import Cutmix
from framework_augmentations.hflip import HorizontalFlip
from framework_augmentations.mixup import Mixup
from framework_augmentations.noise import Noise
from framework_augmentations.rotate import Rotate
from framework_augmentations.scale import Scale
from framework_augmentations.translate import Translate
from framework_augmentations.vflip import VerticalFlip


@hookimpl
def register_augmentations(register: Register) -> None:
    register("crop_resize", CropResize)
    register("cutmix", Cutmix)
    register("hflip", HorizontalFlip)
    register("mixup", Mixup)
    register("noise", Noise)
    register("rotate", Rotate)
    register("scale", Scale)
    register("translate", Translate)
    register("vflip", VerticalFlip)
