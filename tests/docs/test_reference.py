"""The pages of docs/reference/ say what the docstrings and options say."""

import re
import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from markdown_it import MarkdownIt

import framework.components
import framework.sklearn
import framework.testing
from docs._tools import kinds, kit
from docs._tools.floors import PICTURE, picture
from docs._tools.markdown import prose
from docs._tools.reference import FOLDER, TITLES, example, pages
from framework import discover
from framework.cli.commands.describe import options_of
from framework.config.composition import compose
from framework.config.schema import KEYS
from framework.core.options import declared
from framework.core.validation import Validator
from framework.hooks import HOOKS, KINDS
from framework.registry.discovery import Code, load_code
from framework.registry.registry import RESERVED, Registry, conf_dir

PAGES = pages()
BUILT_IN = [
    (kind, name, entry.component)
    for kind, known in discover().entries.items()
    for name, entry in known.items()
    if entry.provider.startswith("framework_")
]
EVERY = pytest.mark.parametrize(
    ("kind", "name", "component"), BUILT_IN, ids=[f"{kind}/{name}" for kind, name, _ in BUILT_IN]
)


def test_the_pages_are_those_that_the_docstrings_give():
    written = {path.name: path.read_text() for path in FOLDER.glob("*")}
    assert set(written) == set(PAGES), "docs/reference/ has other pages than there are kinds of components: run `make docs`"
    stale = [name for name, text in PAGES.items() if written[name] != text]
    assert not stale, f"{', '.join(stale)} of docs/reference/ no longer says what the docstrings say: run `make docs`"


def test_the_page_of_the_kit_says_of_every_check_what_it_proves():
    assert kit.PLACE.read_text() == kit.page(), (
        "docs/extending/kit.md no longer says what the docstrings say: run `make docs`"
    )
    for always, offered in framework.testing.TABLES.values():
        for name, check in {**always, **offered}.items():
            assert all(kit.read(check)), f"'{name}' does not say what it proves, or what it cannot see (Cannot see: ...)"


def test_every_built_in_component_has_its_section_and_nothing_else_has():
    kinds = {TITLES[n[:-3]]: text for n, text in PAGES.items() if n[:-3] in TITLES}
    sections = {(kind, name) for kind, text in kinds.items() for name in re.findall(r"^## (.+)$", text, re.M)}
    assert sections == {(kind, name) for kind, name, _ in BUILT_IN}


def test_every_configuration_key_is_on_its_page():
    text = PAGES["configuration.md"]
    for key in KEYS:
        assert re.search(rf"^\| `{key}(`|\.)", text, re.M), key
    for kind, keys in RESERVED.items():
        for key in {**dict.fromkeys(keys)}.keys() - {"type"}:
            assert re.search(rf"`\w+\.[\w<>.]*{key}`", text), f"{kind}: {key}"


def test_every_hydra_preset_is_on_the_configuration_page():
    for path in (conf_dir() / "hydra").rglob("*.yaml"):
        assert f"## hydra/{path.parent.name}={path.stem}\n" in PAGES["configuration.md"]


def test_every_public_name_is_on_the_api_page():
    names = set(re.findall(r"^### (.+)$", PAGES["api.md"], re.M))
    assert names >= {*framework.__all__, *framework.components.__all__, *framework.testing.__all__, *HOOKS}
    assert names >= {*framework.sklearn.__all__}


def test_the_picture_of_the_floors_is_current():
    assert PICTURE.read_text() == picture(), "run `make docs`"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_no_place_of_the_machine_that_wrote_it(page):
    assert str(FOLDER.parent.parent) not in PAGES[page]
    assert not re.search(r"(?<![\w.])/(home|root|tmp|usr|Users|var)/|\bat 0x", PAGES[page])


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_to_sections(page):
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[page]):
        file, _, section = target.partition("#")
        assert not section or f"\n## {section}\n" in PAGES[file]


def shown(text):
    """What a reader of the page sees, without its markup."""
    blocks = MarkdownIt("commonmark").enable("table").parse(text)
    parts = [part for block in blocks for part in (block.children or [block])]
    return "".join(" " if part.type == "softbreak" else part.content for part in parts if part.type != "html_block")


@EVERY
def test_markdown_takes_nothing_out_of_a_docstring(kind, name, component):
    title = next(title for title, k in TITLES.items() if k == kind)
    section = PAGES[f"{title}.md"].split(f"\n## {name}\n")[1].split("\n## ")[0]
    seen = re.sub(r"[`\s]", "", shown(section))
    for paragraph in component.__doc__.split("\n\n"):
        assert re.sub(r"[`\s]", "", paragraph) in seen
    for option, (_, f) in declared(component).items():
        assert option + "|" not in seen  # the table was read as a table
        assert re.sub(r"[`\s]", "", f.metadata.get("help", "")) in seen


def test_the_columns_of_an_option_are_readable():
    assert options_of(discover().get("schedule", "warmup"))[1] == (
        "then",
        "schedule",
        "constant",
        "",
        "",
        "the schedule that follows",
    )
    units, bias, initializer, of_bias = (row[1:4] for row in options_of(discover().get("layer", "dense")))
    assert units == ("integer or auto", "required", ">= 1")
    assert bias == ("boolean", "true", "")
    assert initializer == ("initializer", "the group initializer, otherwise he_normal", "")
    assert of_bias == ("initializer", "Zeros()", "")
    assert options_of(discover().get("dataset", "csv"))[1][1] == "string or list of strings"


def test_signs_of_markdown_are_kept_as_they_stand():
    text = "w_j <- w_j * |W|_2 < b, y_ and _z, a[i](j), <b>x</b>, $1, ~2~\n- 3\n+ 4\n# 5 `a_*b`"
    assert shown(prose(text)) == text.replace("\n", " ").replace("`", "")


@EVERY
def test_the_example_of_a_component_gives_options_that_it_takes(kind, name, component):
    line, its_name = example(kind, name, component), name
    at = rf"(?:{kind}|{kind}s\.{name}|{kind}\.{name}|model\.layers\.new)\.(\w+)=(\S+)"
    given = dict(match.groups() for match in (re.fullmatch(at, word) for word in shlex.split(line)) if match)
    if kind == "cell":
        kind, name = "layer", "recurrent"
    judge = Validator(discover(), {})
    judge.component(kind, {"type": name, **{option: read(word) for option, word in given.items()}}, kind)
    assert not judge.errors
    assert shlex.split(line)[0] == "stackprop"
    assert re.search(rf"\b{its_name}\b", line)


def read(word):
    """A value as the shell's grammar reads it."""
    return OverridesParser.create().parse_override(f"x={word}").value()


def test_each_kind_has_a_whole_file_and_a_command(tmp_path, monkeypatch):
    assert kinds.PLACE.read_text() == kinds.page(), "docs/extending/kinds.md is not what the template has: run `make docs`"
    found = {kind: (text, command) for kind, text, command in kinds.blocks(kinds.page())}
    assert set(found) == set(KINDS.values())
    monkeypatch.chdir(tmp_path)
    for kind, (text, _) in found.items():
        (tmp_path / f"{kind}.py").write_text(text)
    registry = Registry()
    for kind in found:
        load_code(Code(f"{kind}.py", tmp_path / f"{kind}.py"), registry, by_user=True)
    assert {kind: len(known) for kind, known in registry.entries.items()} == dict.fromkeys(found, 1)
    words = {kind: shlex.split(command)[1:] for kind, (_, command) in found.items()}
    assert all(f"plugins=[{kind}.py]" in given for kind, given in words.items())
    (verb,) = registry.names("command")
    assert words.pop("command")[0] == verb
    files = f"plugins=[{','.join(f'{kind}.py' for kind in found)}]"
    of_cells = words.pop("cell")  # it needs another model
    joined = dict.fromkeys(
        word for given in words.values() for word in given if not word.startswith(("plugins=", "dataset="))
    )
    try:
        made = compose([files, *joined, "dataset=mine_rings"])
        assert {"mine_within"} == made.metrics.keys()
        assert {"mine_curve"} == made.figures.keys()
        compose(of_cells)
    finally:
        for kind in found:
            discover().forget_file((tmp_path / f"{kind}.py").resolve())
