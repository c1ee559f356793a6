"""What every public function of tensors promises: held by its example calls, which stand beside it.

A new operation is nothing to write here: its declaration and its example are found.
"""

import contextlib
import importlib
import inspect
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from huashi import implementation
from huashi._kernel.example import EXAMPLES
from huashi._kernel.operator import DECLARED, NoKernelError

PUBLIC = (
    "huashi",
    "huashi.pooling",
    "huashi.entmax",
    "huashi.convolution",
    "huashi.regularization",
    "huashi.regularization.prox",
    "huashi.seq2seq",
    "huashi.seq2seq.search",
    "huashi.seq2seq.training",
)
DEPRECATED = ("huashi.seq2seq.entmax",)
NAMES = Path(__file__).parent / "public_names.txt"
DTYPES = [
    *(torch.float32, torch.bfloat16),
    *(pytest.param(dtype, marks=pytest.mark.slow) for dtype in (torch.float64, torch.float16)),
]


def public_things(modules=PUBLIC):
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        for module in map(importlib.import_module, modules):
            yield from (
                (f"{module.__name__}.{name}", getattr(module, name)) for name in module.__all__
            )


def takes_a_tensor(thing):
    if not inspect.isfunction(thing):
        return False
    first, *_ = [*inspect.signature(thing).parameters.values(), None]
    return first is not None and first.annotation in (Tensor, "Tensor")


FUNCTIONS = {}  # public name: function of tensors; one that has several names once
for public_name, thing in public_things():
    if takes_a_tensor(thing) and thing not in FUNCTIONS.values():
        FUNCTIONS[public_name] = thing
OPERATORS = {name: one for name, one in DECLARED.items() if one.example.startswith("huashi.")}
EXAMPLE = {}  # of a function, the first
for one in EXAMPLES:
    EXAMPLE.setdefault(one.function, one)
TESTED = {name: EXAMPLE[f] for name, f in FUNCTIONS.items() if f in EXAMPLE}
SIBLINGS = {name for name in TESTED if name[-2:] in ("1d", "3d") and f"{name[:-2]}2d" in TESTED}


class Operators(TorchDispatchMode):
    """Which operators of ``torch.ops.huashi`` run meanwhile, with what they were called with."""

    def __init__(self):
        super().__init__()
        self.calls = []

    @property
    def seen(self):
        return {operator.name().removeprefix("huashi::") for operator, _, _ in self.calls}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "huashi":
            copies = torch.utils._pytree.tree_map_only(Tensor, Tensor.clone, (args, kwargs or {}))
            self.calls.append((func, *copies))
        return func(*args, **(kwargs or {}))


def inputs(example, dtype=torch.float32, device="cpu"):
    torch.manual_seed(0)
    return [torch.randn(shape, dtype=torch.float64).to(device, dtype) for shape in example.shapes]


def run(example, given):
    torch.manual_seed(0)  # for those that draw
    return example(*given)


def with_gradients(example, given):
    """The result and the gradients of its sum with random weights, where it has any."""
    leaves = [x.detach().requires_grad_() for x in given]
    y = run(example, leaves)
    if not y.requires_grad:
        return [y]
    weights = torch.randn(y.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    weights = weights.to(y.device, y.dtype)
    return [y.detach(), *torch.autograd.grad(y, leaves, weights, allow_unused=True)]


def operators_of(example, given):
    """The operators that run with a gradient and without, as far as kernels serve."""
    with Operators() as operators, implementation("kernel"):
        with contextlib.suppress(NoKernelError):
            with_gradients(example, given)
        with contextlib.suppress(NoKernelError), torch.no_grad():
            run(example, given)
    return operators


@pytest.fixture(params=TESTED)
def example(request):
    return TESTED[request.param]


@pytest.fixture(params=[name for name in TESTED if name not in SIBLINGS])
def one_of_its_kind(request):
    """An example of a function; of those that are one in several dimensions, in two."""
    return TESTED[request.param]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_of_tensors_has_an_example(name):
    assert name in TESTED


@pytest.mark.parametrize("dtype", DTYPES)
def test_keeps_dtype_and_device(one_of_its_kind, dtype, device):
    y = run(one_of_its_kind, inputs(one_of_its_kind, dtype, device))
    kinds = (dtype,) if y.is_floating_point() else (torch.bool, torch.int64)
    assert y.dtype in kinds
    assert y.device.type == device


@pytest.mark.parametrize(
    "dtype", [torch.float32, pytest.param(torch.bfloat16, marks=pytest.mark.slow)]
)
def test_leaves_its_inputs_as_they_were(one_of_its_kind, dtype, device):
    given = inputs(one_of_its_kind, dtype, device)
    before = [x.clone() for x in given]
    with_gradients(one_of_its_kind, given)
    for x, old in zip(given, before, strict=True):
        assert torch.equal(x, old)


def test_gives_the_same_twice(example, device):
    given = inputs(example, device=device)
    assert_close(with_gradients(example, given), with_gradients(example, given), rtol=0, atol=0)


def test_takes_a_batch_of_any_size(example):
    """As warm-up and the benchmarks enlarge it; a batch of twice the size gives twice as much."""
    first, *others = inputs(example)
    y = run(example, [first, *others])
    double = run(example, [torch.cat([first, first]), *others])
    assert double.numel() in (2 * y.numel(), y.numel())


@pytest.mark.parametrize("name", TESTED)
def test_a_kernel_serves_or_it_is_said_why_not(name, device):
    """Under ``implementation("kernel")`` nothing is computed by the reference in silence."""
    given = inputs(TESTED[name], device=device)
    with implementation("reference"):
        want = with_gradients(TESTED[name], given)
    with implementation("kernel"), Operators() as operators:
        try:
            found = with_gradients(TESTED[name], given)
        except NoKernelError as reason:
            assert "no kernel serves" in str(reason)  # noqa: PT017
            return
    assert operators.seen
    assert_close(found, want)


def test_gradients_can_be_differentiated_as_the_references_can(one_of_its_kind, device):
    """Twice, and where each input depends on the one before: no path is counted two times."""

    def derivatives(mode):
        given = inputs(one_of_its_kind, device=device)
        number = torch.ones((), device=device, requires_grad=True)
        given[0] = number * given[0]
        for i in range(1, len(given)):
            given[i] = given[i] + given[i - 1].mean()
        with implementation(mode):
            y = run(one_of_its_kind, given)
            if not y.requires_grad:
                return ()
            weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y)
            (first,) = torch.autograd.grad(y, number, weights, create_graph=True)
            second = torch.autograd.grad(first, number)[0] if first.requires_grad else first * 0
        return first.detach(), second

    assert_close(derivatives("auto"), derivatives("reference"), rtol=1e-4, atol=1e-4)


def larger(example):
    """Sizes to compile for: of the batch, and of what is pooled where the example lets it grow."""
    shape, *others = example.shapes
    for more in (0, 2):
        sizes = [(shape[0], *shape[1:2], *(size + more for size in shape[2:])), *others]
        try:
            run(example, [torch.randn(size) for size in sizes])
        except (ValueError, RuntimeError):
            sizes = [(shape[0] + more, *shape[1:]), *others]
        yield sizes


def test_compiles_in_one_graph_for_every_size(one_of_its_kind, device):
    """Through autograd's graph too where operators of ours are in it; torch vouches for its own."""
    ours = operators_of(one_of_its_kind, inputs(one_of_its_kind)).seen
    backend = "aot_eager" if ours else "eager"
    torch._dynamo.reset()  # the calls of all examples are one function to the compiler
    compiled = torch.compile(one_of_its_kind, fullgraph=True, backend=backend)
    for sizes in larger(one_of_its_kind):
        given = [torch.randn(size, device=device, requires_grad=True) for size in sizes]
        y, z = run(compiled, given), run(one_of_its_kind, given)
        assert_close(y, z)
        if z.requires_grad:
            g = torch.randn_like(y)
            assert_close(torch.autograd.grad(y, given, g), torch.autograd.grad(z, given, g))


def test_compiles_with_sizes_unknown_from_the_start(one_of_its_kind, device):
    """``torch.compile(dynamic=True)``, to which numbers beside the tensors are unknown too."""
    torch._dynamo.reset()
    compiled = torch.compile(one_of_its_kind, fullgraph=True, backend="eager", dynamic=True)
    given = inputs(one_of_its_kind, device=device)
    with torch.no_grad():
        assert_close(run(compiled, given), run(one_of_its_kind, given))


def test_strided_input_is_as_good_as_contiguous(example, device):
    given = inputs(example, device=device)
    strided = [torch.stack([x, x], -1)[..., 0] for x in given]
    assert not strided[0].is_contiguous()
    assert_close(run(example, strided), run(example, given))


@pytest.mark.parametrize("mode", ["auto", "reference"])
def test_keeps_channels_last(one_of_its_kind, mode):
    first, *others = inputs(one_of_its_kind)
    if first.ndim != 4 or not one_of_its_kind.name.startswith("huashi.pooling."):
        pytest.skip("has no channels to be last")
    with implementation(mode):
        y = run(one_of_its_kind, [first.to(memory_format=torch.channels_last), *others])
    assert y.ndim != 4 or y.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_runs_in_the_example_that_it_names(name):
    module, _, function = OPERATORS[name].example.rpartition(".")
    function = getattr(importlib.import_module(module), function)
    seen = set()
    for one in EXAMPLES:
        if one.function is function:
            seen |= operators_of(one, inputs(one)).seen
    assert name in seen


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_are_what_torch_expects_of_them(name):
    """Schema, shapes of the fake, mutation: on what the example call calls the operator with."""
    module, _, function = OPERATORS[name].example.rpartition(".")
    function = getattr(importlib.import_module(module), function)
    for one in EXAMPLES:
        if one.function is function:
            for operator, args, kwargs in operators_of(one, inputs(one)).calls:
                if operator.name() == f"huashi::{name}":
                    checks = ("test_schema", "test_faketensor")
                    torch.library.opcheck(operator, args, kwargs, test_utils=checks)
                    return
    pytest.fail(f"{name} does not run in its example")


def test_every_declared_operator_is_torchs_and_the_other_way_round():
    with contextlib.suppress(ImportError):
        importlib.import_module("huashi.seq2seq.operations.short_attention")
    there = {
        name.removeprefix("huashi::").partition(".")[0]
        for name in torch._C._dispatch_get_all_op_names()
        if name.startswith("huashi::")
    }
    assert there >= OPERATORS.keys()
    assert there <= DECLARED.keys()


def test_public_names_are_as_written_down():
    """A name that comes or goes is a change for users: note it here and in the changelog."""
    assert sorted(name for name, _ in public_things((*PUBLIC, *DEPRECATED))) == (
        NAMES.read_text().split()
    )


@pytest.mark.parametrize("public_name", sorted(name for name, _ in public_things()))
def test_every_public_name_is_documented(public_name):
    module, _, name = public_name.rpartition(".")
    thing = getattr(importlib.import_module(module), name)
    doc = inspect.getdoc(thing) or ""
    assert doc, f"{public_name} has no docstring"
    assert not doc.startswith(f"{name}("), f"{public_name} has only its generated signature"
    if inspect.isfunction(thing):
        signature = inspect.signature(thing)
        missing = [p for p in signature.parameters if f"{p}:" not in doc]
        assert not missing, f"{public_name} does not say what {missing} are"
        for parameter in signature.parameters.values():
            assert parameter.annotation is not inspect.Parameter.empty
    if takes_a_tensor(thing):
        assert "Returns:\n" in doc
        assert "Raises:\n" in doc
