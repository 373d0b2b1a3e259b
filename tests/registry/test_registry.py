"""Names to components, and plugins that fail without taking others along."""

import sys
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from framework import hookimpl, option
from framework.core.errors import RegistrationError, UnknownComponentError, did_you_mean
from framework.hooks import KINDS
from framework.registry.discovery import registered, registry_of, without
from framework.registry.registry import RESERVED, Registry


@dataclass(frozen=True)
class Good:
    units: int = 1


@dataclass(frozen=True)
class Better:
    pass


@dataclass
class Thawed:
    pass


class Plain:
    pass


@dataclass(frozen=True)
class Reserved:
    share: int = 1


class Point:
    """An entry point of a distribution."""

    def __init__(self, name, loads, dist="a-package", value=None):
        self.name, self.loads = name, loads
        self.value = value or getattr(loads, "__name__", name)
        self.dist = SimpleNamespace(name=dist) if dist else None

    def load(self):
        if isinstance(self.loads, Exception):
            raise self.loads
        return self.loads


def plugin(module, hook="register_layers", **components):
    """A module with one hook that registers these components."""

    def implementation(register):
        for name, component in components.items():
            if isinstance(component, Exception):
                raise component
            register(name, component)

    implementation.__name__ = hook
    made = ModuleType(module)
    setattr(made, hook, hookimpl(implementation))
    return made


def test_plugins_fill_the_registry():
    registry = registry_of(
        [Point("a", plugin("mod_a", good=Good)), Point("b", plugin("mod_b", "register_losses", better=Better))]
    )
    assert registry.problems == []
    assert registry.get("layer", "good") is Good
    assert registry.get("loss", "better") is Better
    assert registry.entries["layer"]["good"].provider == "mod_a"


@pytest.mark.parametrize(("hook", "kind"), KINDS.items())
def test_there_is_a_hook_for_every_kind(hook, kind):
    registry = registry_of([Point("a", plugin("mod_a", hook, good=Good))])
    assert registry.names(kind) == ["good"]
    assert registry.problems == []


def test_names_are_sorted():
    assert registry_of([Point("a", plugin("mod_a", b=Good, a=Better))]).names("layer") == ["a", "b"]


def test_a_name_taken_twice_names_both_owners():
    registry = registry_of([Point("a", plugin("mod_a", good=Good)), Point("b", plugin("mod_b", good=Better))])
    assert registry.problems == ["layer 'good' is registered by both 'mod_a' and 'mod_b'; 'mod_a' is used"]
    assert registry.get("layer", "good") is Good


def test_built_ins_keep_their_names():
    points = [
        Point("a", plugin("framework_zzz", good=Better), dist="stackprop-zzz"),  # a name like ours, of somebody else
        Point("b", plugin("mod_b", good=Better), dist=None),
        Point("z", plugin("our_module", good=Good), dist="Stackprop"),
    ]
    for order in (points, points[::-1]):
        registry = registry_of(order)
        assert registry.get("layer", "good") is Good
        assert [problem.partition("; ")[2] for problem in registry.problems] == ["'our_module' is used"] * 2


@pytest.mark.parametrize("name", ["", None, 3, "a/b", "a b", "a=b", "../up", ".hidden", "a,b", "Länge", "null", "1e5"])
def test_a_name_that_cannot_be_written_costs_only_itself(name):
    made = plugin("mod_a", good=Good)
    made.register_layers = hookimpl(lambda register: [register(name, Better), register("good", Good)])
    made.register_layers.__name__ = "register_layers"
    registry = registry_of([Point("a", made)])
    assert registry.names("layer") == ["good"]
    (problem,) = registry.problems
    assert problem.startswith(f"layer {name!r} of 'mod_a': not a valid name, as a command ")


class Hostile:
    """An object that stands where a module should."""

    def __dir__(self):
        raise RuntimeError("no look inside")


def test_a_plugin_that_breaks_while_it_is_looked_at_costs_only_itself():
    def leave(register):
        raise SystemExit("over")

    leave.__name__ = "register_losses"
    leaving = ModuleType("mod_b")
    leaving.register_losses = hookimpl(leave)
    points = [Point("a", Hostile(), value="mod_a"), Point("b", leaving), Point("c", plugin("mod_c", good=Good))]
    registry = registry_of(points)
    assert registry.names("layer") == ["good"]
    assert registry.problems == [
        "plugin 'a' of a-package could not be loaded: RuntimeError: no look inside",
        "plugin 'mod_b' failed to register its losses: SystemExit: over",
    ]


@pytest.mark.parametrize("file", ["entry_points.txt", "METADATA"])
def test_a_distribution_whose_metadata_cannot_be_read_costs_only_itself(file, tmp_path, monkeypatch):
    about = tmp_path / "torn-1.0.dist-info"
    about.mkdir()
    (about / "entry_points.txt").write_text("[stackprop]\ntorn = torn_module_that_is_not_there\n")
    (about / file).write_bytes(b"\xff\xfe\x00[stackprop\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = without.__wrapped__(frozenset())  # of this process it is made once
    assert "dense" in found.names("layer")
    assert len(found.problems) == 1
    assert "torn" in found.problems[0]


def test_one_name_may_stand_for_several_kinds():
    registry = registry_of(
        [Point("a", plugin("mod_a", good=Good)), Point("b", plugin("mod_b", "register_cells", good=Better))]
    )
    assert registry.problems == []


def test_a_plugin_that_cannot_be_imported_costs_only_itself():
    broken = Point("broken", ImportError("no module named 'jax'"), dist="their-package")
    registry = registry_of([broken, Point("a", plugin("mod_a", good=Good))])
    assert registry.names("layer") == ["good"]
    assert registry.problems == ["plugin 'broken' of their-package could not be loaded: ImportError: no module named 'jax'"]


def test_a_plugin_without_a_distribution_is_named_all_the_same():
    registry = registry_of([Point("broken", SyntaxError("oops"), dist=None)])
    assert registry.problems == ["plugin 'broken' of an unknown distribution could not be loaded: SyntaxError: oops"]


def test_a_hook_that_raises_costs_only_what_it_had_not_registered():
    failing = plugin("mod_f", first=Good, then=ZeroDivisionError("oops"), never=Good)
    registry = registry_of([Point("f", failing), Point("a", plugin("mod_a", other=Good))])
    assert registry.names("layer") == ["first", "other"]
    assert registry.problems == ["plugin 'mod_f' failed to register its layers: ZeroDivisionError: oops"]


def test_an_unknown_hook_is_reported_with_those_there_are():
    registry = registry_of(
        [Point("a", plugin("mod_a", "register_layerz", good=Good)), Point("b", plugin("mod_b", good=Good))]
    )
    (problem,) = registry.problems
    assert problem.startswith("mod_a: unknown hook 'register_layerz'")
    assert "register_layers, register_cells" in problem
    assert registry.names("layer") == ["good"]


def test_a_hook_with_other_arguments_is_reported():
    module = ModuleType("mod_a")

    def register_layers(add):
        add("good", Good)

    module.register_layers = hookimpl(register_layers)
    registry = registry_of([Point("a", module), Point("b", plugin("mod_b", better=Better))])
    assert registry.names("layer") == ["better"]
    assert "plugin 'a' of a-package could not be loaded: PluginValidationError" in registry.problems[0]


@pytest.mark.parametrize(
    "component", [Thawed, Plain, Good(), print], ids=["not frozen", "no dataclass", "instance", "function"]
)
def test_what_is_no_frozen_dataclass_is_refused(component):
    registry = registry_of([Point("a", plugin("mod_a", bad=component, good=Good))])
    (problem,) = registry.problems
    assert problem.startswith("layer 'bad' of 'mod_a': ")
    assert problem.endswith("is not a frozen dataclass; use @dataclass(frozen=True)")
    assert registry.names("layer") == ["good"]


def test_a_reserved_option_name_is_refused():
    with pytest.raises(
        RegistrationError, match=r"layer 'bad' of 'mod': option name 'share' is reserved \(reserved: type, from"
    ):
        Registry().add("layer", "bad", Reserved, "mod")


@pytest.mark.parametrize(
    ("hint", "default", "told"),
    [
        (dict[str, int], None, "no configuration can give a dict[str, int]; use Mapping[str, T]"),
        (Path, Path("a"), "no configuration can give a Path; use str, and Path(self.extra) where it is read"),
        (set, None, "no configuration can give a set; use tuple[T, ...]"),
        (np.ndarray, None, "no configuration can give a ndarray; use tuple[float, ...], or a float with stackable=True"),
        (int, "3", "its default '3' is not a int"),
        (Any, option(lambda x: x), "its default is a function, which is called without arguments: TypeError: "),
        (Any, option(lambda: len), "its default is a function, which no configuration can give; use Literal"),
        ("Unknown", 1, "cannot be resolved at runtime: name 'Unknown' is not defined"),
    ],
    ids=["dict", "path", "set", "array", "wrong default", "function", "made function", "unknown name"],
)
def test_an_option_that_nobody_can_set_is_refused(hint, default, told):
    cls = make_dataclass("Mine", [("extra", hint, default)], frozen=True)
    registry = Registry()
    with pytest.raises(RegistrationError) as error:
        registry.add("layer", "mine", cls, "a-plugin")
    assert str(error.value).startswith("layer 'mine' of 'a-plugin': ")
    assert told in str(error.value)
    assert registry.names("layer") == []


def test_an_unknown_component_offers_the_nearest_name():
    registry = registry_of([Point("a", plugin("mod_a", dense=Good, dropout=Better))])
    with pytest.raises(
        UnknownComponentError, match=r"^unknown layer 'dens'; did you mean 'dense'\? \(there are: dense, dropout\)$"
    ):
        registry.get("layer", "dens")
    with pytest.raises(UnknownComponentError, match=r"^unknown layer 'conv2d' \(there are: dense, dropout\)$"):
        registry.get("layer", "conv2d")
    with pytest.raises(UnknownComponentError, match=r"^unknown loss 'mse' \(none are available\)$"):
        registry.get("loss", "mse")


def test_nearest_names():
    assert did_you_mean("sdg", ["sgd", "adam"]) == "; did you mean 'sgd'? (there are: adam, sgd)"
    assert did_you_mean("zzz", ["sgd", "adam"]) == " (there are: adam, sgd)"
    assert did_you_mean("zzz", []) == " (none are available)"


def test_a_component_option_defaults_to_a_registered_component():
    @dataclass(frozen=True)
    class Holder:
        function: object = registered("activation", "tanh")

    assert type(Holder().function).__name__ == "Tanh"


# ---- hooks that would never be called


def undecorated(name):
    made = ModuleType("mod_u")
    setattr(made, name, lambda register: None)
    return made


def test_a_misspelt_hook_is_offered_the_nearest():
    (problem,) = registry_of([Point("a", plugin("mod_a", "register_activation", good=Good))]).problems
    assert "mod_a: unknown hook 'register_activation'; did you mean 'register_activations'?; the hooks are " in problem


def test_several_plugins_with_misspelt_hooks_are_all_named():
    points = [Point(name, plugin(f"mod_{name}", "register_layer", good=Good)) for name in "ab"]
    assert [problem[:5] for problem in registry_of(points).problems] == ["mod_a", "mod_b"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("register_layers", "mod_u: register_layers is never called; add the decorator @hookimpl"),
        (
            "register_layer",
            "mod_u: register_layer is not a hook and is never called; did you mean 'register_layers'?; "
            "add the decorator @hookimpl",
        ),
    ],
)
def test_a_forgotten_decorator_is_noticed(name, expected):
    registry = registry_of([Point("u", undecorated(name)), Point("a", plugin("mod_a", good=Good))])
    assert registry.problems == [expected]
    assert registry.names("layer") == ["good"]


def test_a_helper_beside_a_hook_is_nobodys_business():
    module = plugin("mod_a", good=Good)
    module.register_all = lambda: None
    assert registry_of([Point("a", module)]).problems == []


def test_a_module_without_any_hook_is_noticed():
    (problem,) = registry_of([Point("e", ModuleType("mod_e"))]).problems
    assert problem == "mod_e: it has no hook and registers nothing; mark a function such as register_layers with @hookimpl"


def test_one_module_named_by_two_entry_points_is_read_once():
    module = plugin("mod_a", good=Good)
    registry = registry_of([Point("a", module, "old-name"), Point("b", module, "new-name")])
    assert registry.problems == ["plugin 'b' of new-name is ignored: 'mod_a' is plugin 'a' of old-name already"]
    assert registry.names("layer") == ["good"]


def test_a_module_that_ends_the_program_costs_only_itself():
    class Leaving(Point):
        def load(self):
            sys.exit("no license")

    registry = registry_of([Leaving("l", plugin("mod_l")), Point("a", plugin("mod_a", good=Good))])
    assert registry.problems == ["plugin 'l' of a-package could not be loaded: SystemExit: no license"]
    assert registry.names("layer") == ["good"]


# ---- options


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in RESERVED.items() for name in names])
def test_keys_that_a_kind_uses_itself_are_no_options(kind, name):
    component = make_dataclass("Bad", [("x", int, 1)], frozen=True)
    component.__dataclass_fields__[name] = component.__dataclass_fields__.pop("x")
    component.__dataclass_fields__[name].name = name  # make_dataclass itself refuses `from`
    with pytest.raises(RegistrationError, match=f"option name '{name}' is reserved \\(reserved: type"):
        Registry().add(kind, "bad", component, "mod")


def test_other_kinds_may_use_those_names():
    Registry().add("activation", "good", Reserved, "mod")
    Registry().add("optimizer", "good", make_dataclass("Weighted", [("weight", float, 1.0)], frozen=True), "mod")
    Registry().add("initializer", "good", make_dataclass("Scaled", [("scale", float, 1.0)], frozen=True), "mod")


# ---- presets


def presets(tmp_path, *paths):
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    return tmp_path


def bringing(folder, module="mod_p", hook="register_layers", **components):
    made = plugin(module, hook, **components)
    made.register_presets = hookimpl(lambda register: register(folder))
    made.register_presets.__name__ = "register_presets"
    return made


def test_presets_of_plugins_are_known_by_their_folders(tmp_path):
    first, second = presets(tmp_path / "a", "model/mine.yaml"), presets(tmp_path / "b", "experiment/mine.yaml")
    registry = registry_of([Point("a", bringing(first, "mod_a")), Point("b", bringing(str(second), "mod_b"))])
    assert registry.presets == {"model/mine": (first, "mod_a"), "experiment/mine": (second, "mod_b")}
    assert registry.problems == []


def test_presets_inside_a_package_have_a_dotted_name(tmp_path, monkeypatch):
    presets(tmp_path, "package_of_presets/__init__.py", "package_of_presets/conf/model/mine.yaml")
    monkeypatch.syspath_prepend(tmp_path)
    registry = registry_of([Point("a", bringing("package_of_presets.conf"))])
    assert registry.presets == {"model/mine": (tmp_path / "package_of_presets" / "conf", "mod_p")}


@pytest.mark.parametrize("place", ["nowhere", "no.where", "/no/where", "framework_layers.dense"])
def test_presets_that_are_nowhere_are_reported(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    registry = registry_of([Point("a", bringing(place, good=Good))])
    assert registry.names("layer") == ["good"]
    assert registry.problems == [f"presets of 'mod_p': the folder {place} does not exist"]


def test_presets_that_would_never_be_read_are_reported(tmp_path):
    taken = ["base", "config", "optimizer/good", "probes/good", "model/mlp", "experiment/ridge", "hydra/help/default"]
    first = presets(tmp_path / "a", "model/x.yaml", *(f"{name}.yaml" for name in taken))
    second = presets(tmp_path / "b", "model/x.yaml", "model/y.yaml")
    probing = plugin("mod_q", "register_probes", good=Good)
    points = [
        Point("a", bringing(first, "mod_a", hook="register_optimizers", good=Good)),
        Point("b", bringing(second, "mod_b")),
        Point("q", probing),
    ]
    registry = registry_of(points)
    assert list(registry.presets) == ["model/x", "model/y"]
    whys = dict(line.removeprefix("preset ").split(" is ignored: ") for line in registry.problems)
    component, ours, loose = "a component has that name", "stackprop has a preset of that name", "a preset must lie in the"
    assert whys == {
        "base.yaml of 'mod_a'": f"{loose} folder of its group",
        "config.yaml of 'mod_a'": f"{loose} folder of its group",
        "experiment/ridge.yaml of 'mod_a'": ours,
        "hydra/help/default.yaml of 'mod_a'": ours,
        "model/mlp.yaml of 'mod_a'": ours,
        "optimizer/good.yaml of 'mod_a'": component,
        "probes/good.yaml of 'mod_a'": component,
        "model/x.yaml of 'mod_b'": "'mod_a' has a preset of that name",
    }


def test_a_component_cannot_take_the_name_of_a_preset(tmp_path):
    folder = presets(tmp_path, "optimizer/mine.yaml")
    registry = registry_of([Point("a", bringing(folder))])
    with pytest.raises(RegistrationError, match="'mod_p' has a preset of that name, optimizer/mine; choose another name"):
        registry.add("optimizer", "mine", Good, "a_file.py")
    with pytest.raises(RegistrationError, match="'stackprop' has a preset of that name, probes/layers; choose another name"):
        registry.add("probe", "layers", Good, "a_file.py")
