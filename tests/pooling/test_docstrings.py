"""What ``help`` says of each pool is complete in itself, and what type checkers see is true."""

import inspect
import re
import subprocess
import sys
import typing

import pytest
import torch
from torch import nn

from docs.stubs import STUB, stub
from huashi import pooling
from huashi._kernel.example import EXAMPLES
from huashi.pooling.docstrings import arguments_of, completed

FUNCTIONS = [name for name in pooling.__all__ if inspect.isfunction(getattr(pooling, name))]
POOLS = [  # of which the first argument is a tensor
    name
    for name in FUNCTIONS
    if next(iter(inspect.signature(getattr(pooling, name)).parameters.values())).annotation
    is torch.Tensor
]
MODULES = [
    name for name in pooling.__all__ if name not in FUNCTIONS and name not in ("KMax", "Places")
]
WORKED = {example.function for example in EXAMPLES}


def section(doc, heading):
    return f"{doc}\n".partition(f"{heading}:\n")[2].partition("\n\n")[0]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_documented_without_another(name):
    function = getattr(pooling, name)
    doc = inspect.getdoc(function)
    assert list(arguments_of(doc)) == list(inspect.signature(function).parameters)
    assert all(arguments_of(doc).values())
    assert section(doc, "Returns")
    assert "Takes what" not in doc
    assert not re.search(r"\{(shared|errors|dims|shape|pooled|bins|windows)\}", doc)
    assert max(map(len, doc.split("\n"))) <= 100


@pytest.mark.parametrize("name", POOLS)
def test_a_pool_has_shapes_dtype_accumulation_and_errors(name):
    doc = inspect.getdoc(getattr(pooling, name))
    returns, errors = section(doc, "Returns"), section(doc, "Raises")
    assert re.search(r"\((batch|channel|\.\.\.)[^)]*\)", returns)
    assert re.search(r"in\s+the\s+dtype|bool", returns)
    assert "accumulated" in returns
    for error in ("ValueError", "TypeError", "RuntimeError"):
        assert error in errors
    first = next(iter(arguments_of(doc).values()))
    assert re.search(r"\(batch, [^)]*\)", first)
    if name[-1] == "d":  # the shape in so many dimensions
        names = {"1": "length", "2": "height, width", "3": "depth, height, width"}[name[-2]]
        assert f"(channel, {names})" in doc


@pytest.mark.parametrize("name", MODULES)
def test_a_module_names_its_function_and_has_its_arguments(name):
    module = getattr(pooling, name)
    doc = inspect.getdoc(module)
    function = re.match(r":func:`~huashi\.pooling\.(\w+)`", doc)[1]
    assert function in FUNCTIONS
    assert function.replace("_", "") == name.lower()
    parameters = [
        name
        for name, one in inspect.signature(module).parameters.items()
        if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)  # of nn.Module
    ]
    assert list(arguments_of(doc)) == parameters
    assert issubclass(module, nn.Module)


@pytest.mark.parametrize("name", ["KMax", "Places"])
def test_a_tuple_says_what_it_holds(name):
    assert inspect.getdoc(getattr(pooling, name))


@pytest.mark.parametrize("name", POOLS)
def test_every_pool_has_an_example(name):
    assert getattr(pooling, name) in WORKED


def test_a_missing_description_is_noticed():
    with pytest.raises(KeyError, match="stride"):
        completed("A sum.\n\nArgs:\n    {shared}\n    x: numbers.", ["x", "stride"], {})


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("batch", [1, 3])
def test_the_first_example_fits_any_batch(name, batch):
    example = next(one for one in EXAMPLES if one.function is getattr(pooling, name))
    (_, *shape), *others = example.shapes
    assert example.name == f"huashi.pooling.{name}"
    y = example(torch.randn(batch, *shape), *map(torch.randn, others))
    assert y.shape[0] == batch


def test_the_stub_is_up_to_date():
    """``python -m docs.stubs`` writes it."""
    assert STUB.read_text(encoding="utf-8") == stub()


TYPED = """
from typing import assert_type
import torch
from torch import Tensor
from huashi import pooling

x = torch.ones(1, 2, 4, 4)
flag = bool(x.sum())
assert_type(pooling.max_pool2d(x, 2) + 1, Tensor)
assert_type(pooling.max_pool2d(x, kernel_size=2, stride=(1, 2)), Tensor)
assert_type(pooling.max_pool2d(x, 2, return_indices=True), tuple[Tensor, Tensor])
assert_type(pooling.max_pool2d(x, 2, 2, 0, 1, False, True), tuple[Tensor, Tensor])
assert_type(pooling.max_pool2d(x, 2, return_indices="compact")[1], pooling.Places)
assert_type(
    pooling.max_pool2d(x, 2, return_indices=flag), Tensor | tuple[Tensor, Tensor | pooling.Places]
)
assert_type(pooling.adaptive_max_pool2d(x, 2, True), tuple[Tensor, Tensor])
assert_type(pooling.fractional_max_pool2d(x, 2, 3), Tensor)
assert_type(pooling.k_max_pool1d(x[0], 2), Tensor)
assert_type(pooling.k_max_pool1d(x[0], 2, return_indices=True), pooling.KMax)
assert_type(pooling.avg_pool1d(x[0], 2, 2, 0, True, False), Tensor)
pool: pooling.MaxPool2d = pooling.MaxPool2d(2, stride=1)
pooling.max_pool2d(x, 2, windows=3)  # wrong
pooling.max_pool2d(x, 2, padding="some")  # wrong
pooling.MaxPool2d()  # wrong
"""


def test_type_checkers_see_what_there_is(tmp_path):
    pytest.importorskip("pyright")
    (tmp_path / "typed.py").write_text(TYPED)
    (tmp_path / "pyrightconfig.json").write_text('{"reportUnusedExpression": false}')
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "typed.py"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    wrong = {i for i, line in enumerate(TYPED.split("\n"), 1) if line.endswith("# wrong")}
    found = {int(line) for line in re.findall(r"typed\.py:(\d+):\d+ - error", shown)}
    assert found == wrong, shown


def test_annotations_are_what_they_say():
    for name in POOLS:
        hints = typing.get_type_hints(inspect.unwrap(getattr(pooling, name)))
        assert hints["return"] is not inspect.Parameter.empty
