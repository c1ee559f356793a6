"""What every public operation promises. A new operation is one entry here."""

import importlib
import inspect
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from huashi import implementation
from huashi.seq2seq import entmax15

PUBLIC = (
    "huashi",
    "huashi.pooling",
    "huashi.seq2seq",
    "huashi.seq2seq.entmax",
    "huashi.seq2seq.search",
)
NAMES = Path(__file__).parent / "public_names.txt"

OPERATIONS = {  # name: (function of tensors, shapes of its floating-point inputs)
    "entmax15": (entmax15, [(3, 5)]),
}
DECLARED = {"entmax15": "entmax15", "entmax15_backward": "entmax15"}  # torch.ops.huashi: whose
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


def inputs(name, dtype, device="cpu"):
    return [
        torch.randn(shape, dtype=torch.float64).to(device, dtype) for shape in OPERATIONS[name][1]
    ]


@pytest.fixture(params=OPERATIONS)
def name(request):
    return request.param


@pytest.mark.parametrize("dtype", DTYPES)
def test_keeps_dtype_and_device(name, dtype, device):
    output = OPERATIONS[name][0](*inputs(name, dtype, device))
    assert (output.dtype, output.device.type) == (dtype, device)


@pytest.mark.parametrize("dtype", DTYPES)
def test_leaves_its_inputs_as_they_were(name, dtype, device):
    given = inputs(name, dtype, device)
    before = [x.clone() for x in given]
    leaves = [x.requires_grad_() for x in given]
    OPERATIONS[name][0](*leaves).sum().backward()
    for x, old in zip(leaves, before, strict=True):
        assert torch.equal(x.detach(), old)


def test_gives_the_same_twice(name, device):
    function, _ = OPERATIONS[name]
    given = inputs(name, torch.float32, device)
    assert torch.equal(function(*given), function(*given))


def test_kernel_and_reference_agree(name, device):
    function, _ = OPERATIONS[name]
    given = inputs(name, torch.float32, device)
    with implementation("reference"):
        want = function(*given)
    with implementation("kernel"):  # an error where none serves
        assert_close(function(*given), want)


def test_compiles_in_one_graph(name, device):
    function, _ = OPERATIONS[name]
    given = inputs(name, torch.float32, device)
    assert_close(torch.compile(function, fullgraph=True)(*given), function(*given))


def test_strided_input_is_as_good_as_contiguous(name, device):
    function, _ = OPERATIONS[name]
    given = inputs(name, torch.float32, device)
    strided = [torch.stack([x, x], -1)[..., 0] for x in given]
    assert not any(x.is_contiguous() for x in strided)
    with implementation("kernel"):
        assert_close(function(*strided), function(*given))


def test_every_operator_is_under_contract():
    """What the package declares to torch.library, by reading its sources."""
    source = Path(importlib.import_module("huashi").__file__).parent
    declared = set()
    for path in source.rglob("operators.py"):
        for piece in path.read_text(encoding="utf-8").split("declare(")[1:]:
            declared.add(piece.strip().strip('"').split("(")[0])
    assert declared == DECLARED.keys()
    assert set(DECLARED.values()) == OPERATIONS.keys()


def public_names():
    for module in PUBLIC:
        yield from (f"{module}.{name}" for name in importlib.import_module(module).__all__)


def test_public_names_are_as_written_down():
    """A name that comes or goes is a change for users: note it here and in the changelog."""
    assert sorted(public_names()) == NAMES.read_text().split()


@pytest.mark.parametrize("public_name", sorted(public_names()))
def test_every_public_name_is_documented(public_name):
    module, _, name = public_name.rpartition(".")
    thing = getattr(importlib.import_module(module), name)
    doc = inspect.getdoc(thing) or ""
    assert doc, f"{public_name} has no docstring"
    assert not doc.startswith(f"{name}("), f"{public_name} has only its generated signature"
    if inspect.isfunction(thing):
        signature = inspect.signature(thing)
        missing = [
            p for p in signature.parameters if f"{p}:" not in doc and "Takes what" not in doc
        ]
        assert not missing, f"{public_name} does not say what {missing} are"
        for parameter in signature.parameters.values():
            assert parameter.annotation is not inspect.Parameter.empty
