"""`stackprop kernel`: a traced step as formulas and as C, with what it costs."""

import re

import pytest

from framework.cli.commands.kernel import main
from framework.core.errors import ConfigError
from framework.training.compiled import passes

SMALL = ["model.hidden=5", "trainer.batch_size=8", "dataset=spirals"]


@pytest.fixture(scope="module")
def listed():
    """The listing of a small network, with its times."""
    import contextlib
    import io

    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        assert main(["--time", *SMALL]) == 0
    return text.getvalue()


@pytest.mark.parametrize(
    "formula",
    [
        "hidden.1 = x @ hidden.W",
        "act.1 = max(hidden.2, 0)",
        "hidden.dW = x' @ d_act.1",
        "m = m * 0.9 + 0.1 * g",
        "row[train/loss] = -loss.",
    ],
)
def test_formulas_name_nodes_and_tensors(listed, formula):
    assert f"        {formula}" in listed


def test_parts_of_the_step_stand_in_order(listed):
    parts = re.findall(r"^(\w.*):$", listed, re.M)
    order = [
        "forward hidden",
        "forward out, loss",
        "loss",
        "backward out",
        "backward hidden",
        "metrics",
        "norms",
        "optimizer",
    ]
    assert [part for part in dict.fromkeys(parts) if part in order] == order


def test_a_product_counts_its_operations(listed):
    found, _ = re.findall(r"product 8 x 2 @ 2 x 5 +([\d,]+) +([\d,]+)", listed)
    assert [int(number.replace(",", "")) for number in found] == [2 * 8 * 2 * 5, 4 * (8 * 2 + 2 * 5 + 8 * 5)]


def test_every_part_has_a_time_and_all_are_summed(listed):
    rows = re.findall(r"^  \[\d+\] .*? ([\d.]+) +([\d.]+)$", listed, re.M)
    (whole,) = re.findall(r"^(\d+) kernels .*? ([\d.]+) +([\d.]+)$", listed, re.M)
    assert len(rows) == int(whole[0])
    for column in (0, 1):
        assert sum(float(row[column]) for row in rows) == pytest.approx(float(whole[1 + column]), abs=0.01 * len(rows))
        assert all(float(row[column]) > 0 for row in rows)


def test_the_c_is_what_is_compiled(capsys):
    assert main(["--c", *SMALL]) == 0
    text = capsys.readouterr().out
    assert "void run(int64_t steps" in text
    assert "tick(" not in text


def test_the_cuda_c_is_shown_without_a_gpu(capsys):
    assert main(["--cuda", *SMALL]) == 0
    assert "KERNEL run(const struct array *table" in capsys.readouterr().out


def test_a_step_that_cannot_be_traced_is_named(monkeypatch):
    monkeypatch.setattr(passes, "OPERATIONS", 10)
    with pytest.raises(ConfigError, match=r"kernel: this step cannot be shown: .* operations, and at most 10"):
        main(["dataset=xor", "trainer.steps=1"])
