"""The package `framework` under the name of the distribution: `import stackprop` gives the same module, with the same
submodules."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

import framework

PREFIX = f"{__name__}."


class Alias(MetaPathFinder, Loader):
    """Finds `stackprop.x` as the module `framework.x`, so that nothing is imported twice."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The specification of a submodule; None for other modules."""
        if not name.startswith(PREFIX):
            return None
        if name == f"{PREFIX}__main__":
            return spec_from_file_location(name, Path(__file__).with_name("__main__.py"))
        original = importlib.util.find_spec(f"{framework.__name__}.{name.removeprefix(PREFIX)}")
        return original and ModuleSpec(name, self, loader_state=original)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The original module."""
        module = importlib.import_module(spec.loader_state.name)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """The module has run; give it its own specification back, which the import system has just replaced."""
        spec = module.__spec__
        assert spec is not None
        module.__spec__ = spec.loader_state


if not any(type(finder).__name__ == "Alias" for finder in sys.meta_path):
    sys.meta_path.insert(0, Alias())
sys.modules[__name__] = framework
