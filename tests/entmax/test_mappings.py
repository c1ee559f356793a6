"""1.5-entmax: what it means, that the kernel agrees, and where it has to work."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import entmax as package
import numba
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import forward_ad, grad, gradcheck, gradgradcheck
from torch.testing import assert_close

from huashi import implementation
from huashi.entmax import Entmax15, entmax15, reference, sparsemax
from tests.conftest import GRADIENT_TOLERANCE, TOLERANCE, with_gradient

INF, NAN = torch.inf, torch.nan
IMPLEMENTATIONS = pytest.mark.parametrize("name", ["reference", "kernel"])


@st.composite
def scores(draw, dtypes=tuple(TOLERANCE)):
    """Rows of any length and spread, some with ties, some masked in part or throughout."""
    rows, n = draw(st.integers(1, 9)), draw(st.sampled_from([1, 2, 3, 31, 64, 65, 500, 4099]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    x = torch.randn(rows, n, generator=generator, dtype=torch.float64)
    x *= 10.0 ** draw(st.integers(-3, 3))
    if draw(st.booleans()):
        x = x.round()  # ties
    masked = torch.rand(rows, n, generator=generator) < draw(st.sampled_from([0, 0.5, 0.99]))
    return x.masked_fill(masked, -INF).to(draw(st.sampled_from(dtypes)))


def assert_agrees_with_float64(x, g, dim=-1):
    with implementation("kernel"):
        y, dx = with_gradient(lambda x: entmax15(x, dim), x, g)
    with implementation("reference"):
        y64, dx64 = with_gradient(lambda x: entmax15(x, dim), x.double(), g.double())
    assert (y.dtype, y.device, dx.dtype) == (x.dtype, x.device, x.dtype)
    assert_close(y.double(), y64, **TOLERANCE[x.dtype])
    assert_close(dx.double(), dx64, **GRADIENT_TOLERANCE[x.dtype])


@IMPLEMENTATIONS
@pytest.mark.parametrize(
    ("x", "p"),
    [
        ([-2.0, 0.0, 0.5], [0.0, 0.32600736, 0.67399264]),  # spec, section 7
        ([5.0], [1.0]),
        ([3.0, 3.0, 3.0, 3.0], [0.25, 0.25, 0.25, 0.25]),
        ([2.0, 0.0], [1.0, 0.0]),  # a lead of 2 takes all: the margin
        ([1e30, 1e30, -1e30], [0.5, 0.5, 0.0]),
        ([3e38, -3e38, 0.0], [1.0, 0.0, 0.0]),
        ([1e4, 1e4 - 0.5], [0.67399264, 0.32600736]),
        ([-INF, 7.0, -INF, 7.0], [0.0, 0.5, 0.0, 0.5]),
        ([-INF, -INF], [0.0, 0.0]),
        ([INF, 1.0, -INF], [NAN, NAN, NAN]),
        ([NAN, 1.0, -INF], [NAN, NAN, NAN]),
        ([-NAN, -1.0, -2.0], [NAN, NAN, NAN]),
    ],
)
def test_meaning(x, p, name, device):
    with implementation(name):
        y = entmax15(torch.tensor(x, device=device))
    assert_close(y, torch.tensor(p, device=device), rtol=2e-6, atol=0, equal_nan=True)


@given(scores([torch.float64]))
def test_solves_its_optimisation_problem(x):
    """p is the argmax iff p = max(x / 2 - tau, 0)^2 sums to 1 for one tau per row."""
    with implementation("kernel"):
        p = entmax15(x)
    z = x / 2 - torch.where(x == -INF, -INF, x).amax(-1, keepdim=True).clamp(min=-1e300) / 2
    masked = (x == -INF).all(-1)
    assert (p >= 0).all()
    assert (p[x == -INF] == 0).all()
    assert_close(p.sum(-1), 1 - masked.double())
    tau = (z - p.sqrt()).masked_fill(p == 0, -INF).amax(-1, keepdim=True)
    assert_close((z - tau).clamp(min=0).square()[~masked], p[~masked], rtol=1e-9, atol=1e-12)


@given(scores(), st.integers(0, 2**31))
def test_kernel_agrees_with_float64(x, seed):
    g = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)).to(x.dtype)
    assert_agrees_with_float64(x, g)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", [(300, 90), (2, 100_003), (3, 4, 5)])
def test_kernel_agrees_in_threads_and_long_rows(shape, dtype):
    x, g = torch.randn(shape).to(dtype), torch.randn(shape).to(dtype)
    assert_agrees_with_float64(x, g)
    assert_agrees_with_float64(x * 1e-3, g)  # nearly flat: most entries are in the support


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -2, -3])
def test_any_dim_and_layout(dim):
    x, g = torch.randn(4, 6, 10).transpose(0, 2)[::2], torch.randn(5, 6, 4)
    assert not x.is_contiguous()
    assert_agrees_with_float64(x, g, dim)
    y = entmax15(x, dim)
    assert_close(y.sum(dim), torch.ones_like(y.sum(dim)))
    assert_close(Entmax15(dim)(x), y, rtol=0, atol=0)


def test_expanded_gradient():
    x = torch.randn(5, 7)
    assert_agrees_with_float64(x, torch.randn(5, 1).expand(5, 7))
    assert_agrees_with_float64(x, torch.randn(7, 5).t())


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,), (2, 0, 4)])
def test_empty(shape):
    x = torch.ones(shape, requires_grad=True)
    y = entmax15(x)
    y.sum().backward()
    assert y.shape == x.grad.shape == shape


@pytest.mark.parametrize("n", [1, 7, 300])
def test_package_agrees(n):
    x, g = 3 * torch.randn(40, n), torch.randn(40, n)
    ours, theirs = (with_gradient(f, x, g) for f in (entmax15, package.entmax15))
    assert_close(ours, theirs, **TOLERANCE[torch.float32])


@given(scores([torch.float32]), st.integers(0, 2**31))
def test_symmetries(x, seed):
    order = torch.randperm(x.shape[-1], generator=torch.Generator().manual_seed(seed))
    with implementation("kernel"):
        p, shuffled = entmax15(x), entmax15(x[:, order])
        shifted = entmax15(x.double() + 64)
    assert_close(shuffled, p[:, order], rtol=1e-6, atol=1e-7)
    assert_close(shifted, p.double(), **TOLERANCE[torch.float32])
    far = x < x.amax(-1, keepdim=True) - 2
    assert (p[far] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("function", [sparsemax, entmax15])
@pytest.mark.parametrize("offset", [1e3, 1e7, -1e9, 1e15])
def test_a_number_added_to_all_scores_changes_nothing(offset, function, dtype):
    x = 0.9 * torch.rand(4, 8, dtype=dtype, generator=torch.Generator().manual_seed(0)) + offset
    wanted = function(x.double() - x.double().amax(-1, keepdim=True))
    assert_close(function(x).double(), wanted, rtol=0, atol=1e-6)
    assert_close(function(x.new_tensor([1e8, 0, 0])), x.new_tensor([1, 0, 0]))


@IMPLEMENTATIONS
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_masked_entries_have_no_gradient(dtype, name):
    x = torch.tensor([[1.0, -INF, 0.5, 0.2], [-INF] * 4, [0.0, 0.0, 0.0, -INF]], dtype=dtype)
    g = torch.tensor([[1.0, 5.0, 2.0, 3.0]] * 3, dtype=dtype)
    with implementation(name):
        y, dx = with_gradient(entmax15, x, g)
    assert (y[x == -INF] == 0).all()
    assert (dx[x == -INF] == 0).all()
    assert_close(dx.sum(-1), torch.zeros(3, dtype=dtype), rtol=0, atol=2e-2)
    assert (dx[[0, 0, 2], [0, 2, 1]] != 0).all()


def test_gradient_outside_the_support_does_not_enter():
    x, g = torch.tensor([[1.0, 0.5, -9.0]]), torch.tensor([[1.0, 2.0, 3.0]])
    _, dx = with_gradient(entmax15, x, g)
    for poison in (INF, NAN):
        _, again = with_gradient(entmax15, x, torch.tensor([[1.0, 2.0, poison]]))
        assert_close(again, dx, rtol=0, atol=0)


def test_nan_stays_in_its_row():
    x = torch.randn(3, 20, requires_grad=True)
    y = entmax15(x + torch.tensor([[0.0], [NAN], [0.0]]))
    y.backward(torch.randn(3, 20))
    for t in (y, x.grad):
        assert t[1].isnan().all()
        assert not t[::2].isnan().any()


@IMPLEMENTATIONS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_leader_that_takes_all_has_no_gradient(name, dtype):
    for n in range(1, 64):
        x = torch.full((n,), -9.0, dtype=dtype)
        x[n // 2] = 3.0
        with implementation(name):
            p, dx = with_gradient(entmax15, x, torch.randn(n, dtype=dtype))
        assert_close(p, (x > 0).to(dtype), rtol=0, atol=0)
        assert_close(dx, torch.zeros_like(x), rtol=0, atol=0)


@IMPLEMENTATIONS
@pytest.mark.parametrize("n", [1, 2, 6])
def test_gradients_of_both_orders(n, name):
    x = torch.randn(4, n, dtype=torch.float64)
    if n == 6:
        x[1, 2:] = -9.0  # outside the support
    x.requires_grad_()
    with implementation(name):
        assert gradcheck(entmax15, x)
        assert gradgradcheck(entmax15, x)


def test_second_order_through_the_kernel():
    x = torch.randn(6, 30, requires_grad=True)
    results = []
    for name in ("kernel", "reference"):
        with implementation(name):
            slope = grad(entmax15(x).pow(3).sum(), x, create_graph=True)[0]
            results.append((slope, grad(slope.square().sum(), x)[0]))
    assert results[0][1].abs().max() > 1e-3
    assert_close(*results, **TOLERANCE[torch.float32])


def test_forward_mode_and_transforms():
    x, v = torch.randn(5, 9), torch.randn(5, 9)
    _, jv = with_gradient(entmax15, x, v)  # the Jacobian is symmetric
    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(entmax15(forward_ad.make_dual(x, v)))
        assert_close(dual.tangent, jv)
    assert_close(torch.func.jvp(entmax15, (x,), (v,))[1], jv)
    assert_close(torch.func.vjp(entmax15, x)[1](v)[0], jv)
    assert_close(torch.vmap(entmax15)(x), entmax15(x))


@IMPLEMENTATIONS
def test_compiles_without_graph_breaks(name):
    backend = "inductor" if name == "kernel" else "aot_eager"
    compiled = torch.compile(entmax15, fullgraph=True, backend=backend)
    x, g = torch.randn(6, 11), torch.randn(6, 11)
    with implementation(name):
        assert_close(with_gradient(compiled, x, g), with_gradient(entmax15, x, g))


def test_registration(device):
    x = torch.randn(3, 5, device=device)
    ops, y = torch.ops.huashi, entmax15(x)
    torch.library.opcheck(ops.entmax.default, (x, 1.5))
    torch.library.opcheck(ops.entmax_backward.default, (x, y, 1.5))
    alpha, target = torch.rand(3, device=device) + 1, torch.tensor([1, 0, 4], device=device)
    torch.library.opcheck(ops.entmax_rows.default, (x, alpha))
    torch.library.opcheck(ops.entmax_rows_backward.default, (x, y, alpha))
    torch.library.opcheck(ops.entmax_loss.default, (x, target, 1.5, -100, 0.1))
    loss, edges = ops.entmax_loss.default(x, target, 1.5, -100, 0.1)
    torch.library.opcheck(
        ops.entmax_loss_backward.default, (loss, x, target, edges, 1.5, -100, 0.1)
    )


def test_input_is_kept():
    x = torch.randn(4, 5)
    kept = x.clone()
    entmax15(x)
    assert_close(x, kept, rtol=0, atol=0)


def test_several_python_threads():
    xs = [torch.randn(150 + i, 200) for i in range(16)]  # each large enough for Numba's threads
    want = [reference.entmax15(x) for x in xs]
    ready = threading.Barrier(8)

    def work(i):
        if i < 8:
            ready.wait()
        return entmax15(xs[i])

    with ThreadPoolExecutor(8) as pool:
        assert_close(list(pool.map(work, range(16))), want, rtol=1e-5, atol=1e-6)
    if torch.get_num_threads() > 1:
        numba.threading_layer()  # raises where none was started


def test_forked_child():
    """A child may not enter GNU OpenMP once its parent has: the kernel runs serially there."""
    script = """
import multiprocessing, torch, warnings
from huashi import implementation
from huashi.entmax import entmax15
warnings.simplefilter("ignore")
torch.set_num_threads(2)
x = torch.linspace(-3, 3, 20_000).view(100, 200)
with implementation("kernel"):
    want = entmax15(x)
def child():
    with implementation("kernel"):
        torch.testing.assert_close(entmax15(x), want)
process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join(60)
assert process.exitcode == 0, process.exitcode
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_errors_name_the_argument():
    with pytest.raises(TypeError, match=r"x must be a floating-point tensor, got torch\.int64"):
        entmax15(torch.arange(3))
    with pytest.raises(ValueError, match=r"dim must be in \[-2, 1\], got 2 for shape \(3, 4\)"):
        entmax15(torch.ones(3, 4), dim=2)
    with pytest.raises(ValueError, match="dim must name a dimension, got -1 for a tensor that"):
        entmax15(torch.tensor(1.0))


def test_layer_prints_its_dimension():
    assert repr(Entmax15(dim=1)) == "Entmax15(dim=1)"
