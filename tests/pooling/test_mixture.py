"""Mixed and gated pooling: the formula on every window, whatever its geometry and mask."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.testing import assert_close

from huashi._windows import axes_of
from huashi.pooling import mixture, reference
from huashi.pooling.average import avg_pool2d
from huashi.pooling.extrema import max_pool2d
from tests.conftest import GRADIENT_TOLERANCE, TOLERANCE, with_gradient

MIXED = {1: mixture.mixed_pool1d, 2: mixture.mixed_pool2d, 3: mixture.mixed_pool3d}
GATED = {1: mixture.gated_pool1d, 2: mixture.gated_pool2d, 3: mixture.gated_pool3d}


@st.composite
def geometries(draw):
    """Lengths and arguments, with windows that hang over, are dilated, or hold nothing at all."""
    n = draw(st.integers(1, 3))
    lengths = [draw(st.integers(3, 6)) for _ in range(n)]
    return lengths, {
        "kernel_size": [draw(st.integers(1, 3)) for _ in range(n)],
        "stride": [draw(st.integers(1, 3)) for _ in range(n)],
        "padding": [(draw(st.integers(0, 4)), draw(st.integers(1, 4))) for _ in range(n)],
        "dilation": draw(st.integers(1, 2)),
        "ceil_mode": draw(st.booleans()),
    }


def windows_of(x, mask, lengths, arguments):
    """Index of each output, its real elements, and the window with 0 for what is absent."""
    values, real, _ = reference.windows(x, axes_of(lengths, **arguments), mask)
    real = real.expand(values.shape)
    for at in np.ndindex(tuple(values.shape[:-1])):
        yield at, values[at][real[at]].numpy(), torch.where(real[at], values[at], 0).numpy()


def image(lengths, seed, dtype=torch.double):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn((2, 3, *lengths), generator=generator, dtype=dtype)
    return x, torch.rand((2, 1, *lengths), generator=generator) < 0.6, generator


@given(geometries(), st.integers(0, 99), st.booleans(), st.booleans())
def test_mixed_is_its_formula(geometry, seed, masked, per_channel):
    lengths, arguments = geometry
    x, mask, generator = image(lengths, seed)
    mask = mask if masked else None
    a = torch.rand(3 if per_channel else (), generator=generator, dtype=torch.double)
    poisoned = x if mask is None else x.masked_fill(~mask, torch.nan)
    y = MIXED[len(lengths)](poisoned, a=a, **arguments, mask=mask)
    for at, own, _ in windows_of(x, mask, lengths, arguments):
        share = a.expand(3)[at[1]].item()
        want = share * own.max() + (1 - share) * own.mean() if own.size else 0.0
        assert_close(y[at].item(), float(want))


@given(geometries(), st.integers(0, 99), st.booleans(), st.booleans())
def test_gated_is_its_formula(geometry, seed, masked, per_channel):
    lengths, arguments = geometry
    x, mask, generator = image(lengths, seed)
    mask = mask if masked else None
    k = np.prod(arguments["kernel_size"])
    weight = torch.randn((3, k) if per_channel else k, generator=generator, dtype=torch.double)
    poisoned = x if mask is None else x.masked_fill(~mask, torch.nan)
    y = GATED[len(lengths)](poisoned, weight=weight, **arguments, mask=mask)
    narrow = GATED[len(lengths)](poisoned.float(), weight=weight.float(), **arguments, mask=mask)
    assert_close(narrow.double(), y, rtol=1e-4, atol=1e-5)  # through a convolution
    for at, own, window in windows_of(x, mask, lengths, arguments):
        share = 1 / (1 + np.exp(-(weight.expand(3, k)[at[1]].numpy() * window).sum()))
        want = share * own.max() + (1 - share) * own.mean() if own.size else 0.0
        assert_close(y[at].item(), float(want))


def test_golden_values():
    x = torch.tensor([[[1.0, 2.0], [3.0, 6.0]]])
    assert mixture.mixed_pool2d(x, 2, a=0.25).item() == 0.25 * 6 + 0.75 * 3
    ln3 = torch.tensor(3.0).log().item()
    weight = torch.tensor([ln3, 0.0, -ln3, ln3 / 6])  # 1 - 3 + 1 times ln 3: odds of 1 to 3
    assert_close(mixture.gated_pool2d(x, 2, weight=weight).item(), 0.25 * 6 + 0.75 * 3)


def test_limits_are_the_maximum_and_the_average():
    x = torch.randn(2, 3, 7, 6)
    windows = {"kernel_size": 3, "stride": 2, "padding": 1}
    high, mean = max_pool2d(x, **windows), avg_pool2d(x, **windows, count_include_pad=False)
    assert_close(mixture.mixed_pool2d(x, a=1.0, **windows), high)
    assert_close(mixture.mixed_pool2d(x, a=0, **windows), mean)
    assert_close(mixture.gated_pool2d(x, weight=torch.zeros(9), **windows), (high + mean) / 2)
    sure = mixture.gated_pool2d(x.abs() + 1, weight=torch.full((9,), 99.0), **windows)
    assert_close(sure, max_pool2d(x.abs() + 1, **windows))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_agrees_with_float64(dtype, layout, device):
    x = torch.randn(2, 4, 9, 7, device=device).to(dtype).contiguous(memory_format=layout)
    a, weight = torch.rand(4, device=device), torch.randn(4, 9, device=device)
    for run in (
        lambda x: mixture.mixed_pool2d(x, 3, 2, 1, a=a),
        lambda x: mixture.gated_pool2d(x, 3, 2, 1, weight=weight),
    ):
        y = run(x)
        assert y.dtype == dtype
        g = torch.randn_like(y)
        (got, slope), (want, wanted) = with_gradient(run, x, g), with_gradient(run, x.double(), g)
        assert_close(got.double(), want, **TOLERANCE[dtype])
        assert_close(slope.double(), wanted, **GRADIENT_TOLERANCE[dtype])


def test_sequences_by_their_lengths_and_single_samples():
    x = torch.tensor([[[1.0, 3.0, 9.0, 9.0]], [[1.0, 3.0, 5.0, 9.0]]])
    y = mixture.mixed_pool1d(x, 2, a=0.5, lengths=torch.tensor([2, 3]))
    assert y.tolist() == [[[2.5, 0.0]], [[2.5, 5.0]]]
    one = mixture.mixed_pool1d(x[1], 2, a=0.5, lengths=torch.tensor(3))
    assert torch.equal(one, y[1])
    weight = torch.randn(2)
    assert_close(
        mixture.gated_pool1d(x[1], 2, weight=weight), mixture.gated_pool1d(x, 2, weight=weight)[1]
    )
    row = torch.tensor([True, True, True, False])
    assert torch.equal(mixture.mixed_pool2d(x, (1, 2), a=0.5, mask=row)[1], y[1])


def test_derivatives_of_both_orders():
    x = torch.randn(1, 2, 4, 5, dtype=torch.double, requires_grad=True)
    a = torch.rand(2, dtype=torch.double, requires_grad=True)
    weight = torch.randn(2, 6, dtype=torch.double, requires_grad=True)
    windows = [2, 3], 2, [(1, 0), (2, 2)]
    for run in (
        lambda x, a, _: mixture.mixed_pool2d(x, *windows, a=a),
        lambda x, _, weight: mixture.gated_pool2d(x, *windows, weight=weight),
    ):
        assert gradcheck(run, (x, a, weight))
        assert gradgradcheck(run, (x, a, weight))


def test_empty_windows_and_masked_elements_have_no_gradient():
    x = torch.full((1, 2, 6), torch.nan)
    x[..., 0] = 2.0
    mask = torch.tensor([True, False, False, False, False, False])
    a, weight = torch.full((2,), 0.3, requires_grad=True), torch.zeros(3, requires_grad=True)
    x.requires_grad_()
    for pool, name, learned in (
        (mixture.mixed_pool1d, "a", a),
        (mixture.gated_pool1d, "weight", weight),
    ):
        y = pool(x, 3, mask=mask, **{name: learned})
        assert y.tolist() == [[[2.0, 0.0]] * 2]
        slope, learned_slope = grad(y.sum(), (x, learned))
        assert torch.equal(slope, mask.float().expand(1, 2, 6))
        assert not learned_slope.any()


def test_a_dilated_window_may_step_over_the_whole_input():
    x = torch.tensor([[1.0, 2.0]])  # windows of places -3 and 1, -2 and 2, -1 and 3, 0 and 4
    y = mixture.mixed_pool1d(x, 2, 1, 3, a=0.5, dilation=4)
    assert y.tolist() == [[2.0, 0.0, 0.0, 1.0]]


def test_modules_learn_their_share():
    """What is wanted is the maximum in one channel and the mean in the other."""
    x = torch.randn(8, 2, 8, 8)
    want = torch.stack([max_pool2d(x[:, 0], 2), avg_pool2d(x[:, 1], 2)], 1)
    for pool, rate in ((mixture.MixedPool2d(2, channels=2), 0.5), (mixture.GatedPool2d(2), 2.0)):
        optimizer = torch.optim.SGD(pool.parameters(), lr=rate)
        losses = []
        for _ in range(60):
            loss = (pool(x) - want).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0]
        if isinstance(pool, mixture.MixedPool2d):
            assert_close(pool.a.detach(), torch.tensor([1.0, 0.0]), rtol=0, atol=0.01)


def test_modules_are_the_functions():
    for dims in (1, 2, 3):
        x = torch.randn(2, 3, *[6] * dims)
        mask = torch.rand(2, 1, *[6] * dims) < 0.7
        windows = 3, 2, 1, 1, True
        mixed = getattr(mixture, f"MixedPool{dims}d")(*windows, a=0.3)
        gated = getattr(mixture, f"GatedPool{dims}d")(*windows, channels=3)
        gated.weight.data.normal_()
        assert torch.equal(mixed(x, mask=mask), MIXED[dims](x, *windows, a=mixed.a, mask=mask))
        assert torch.equal(
            gated(x, mask=mask), GATED[dims](x, *windows, weight=gated.weight, mask=mask)
        )
        assert gated.weight.shape == (3, 3**dims)
        assert set(mixed.state_dict()) == {"a"}
    assert "kernel_size=3" in repr(mixed)
    assert "weight=(3, 27)" in repr(gated)


def test_compiles_in_one_graph():
    x, mask = torch.randn(2, 3, 6, 6), torch.rand(2, 1, 6, 6) < 0.7
    for pool, real in ((mixture.MixedPool2d(3, 2, 1), mask), (mixture.GatedPool2d(3, 2), None)):
        compiled = torch.compile(pool, fullgraph=True, backend="aot_eager")
        y, want = compiled(x, mask=real), pool(x, mask=real)
        assert_close(y, want)
        learned = list(pool.parameters())
        assert_close(grad(y.sum(), learned), grad(want.sum(), learned))


@pytest.mark.parametrize(
    ("run", "error", "text"),
    [
        (
            lambda x: mixture.mixed_pool2d(x, 2, a=1.5),
            ValueError,
            r"a must be in \[0, 1\], got 1.5",
        ),
        (
            lambda x: mixture.mixed_pool2d(x, 2, a=torch.ones(2)),
            ValueError,
            r"a must have shape \(\) or \(3,\), got \(2,\)",
        ),
        (
            lambda x: mixture.mixed_pool2d(x, 2, a=torch.ones(3, dtype=torch.long)),
            TypeError,
            "a must be a floating-point tensor, got torch.int64",
        ),
        (
            lambda x: mixture.gated_pool2d(x, 2, weight=torch.ones(3)),
            ValueError,
            r"weight must have shape \(4,\) or \(3, 4\), got \(3,\)",
        ),
        (
            lambda x: mixture.gated_pool2d(x, 2, weight=[1.0] * 4),
            TypeError,
            "weight must be a tensor, got list",
        ),
        (
            lambda x: mixture.gated_pool2d(x.long(), 2, weight=torch.ones(4)),
            TypeError,
            "x must be a floating-point tensor, got torch.int64",
        ),
        (lambda _: mixture.MixedPool2d(2, a=-0.1), ValueError, r"a must be in \[0, 1\], got -0.1"),
        (lambda _: mixture.GatedPool2d(0), ValueError, "kernel_size must be >= 1, got 0"),
    ],
)
def test_errors_name_the_argument(run, error, text):
    with pytest.raises(error, match=f"^{text}$"):
        run(torch.ones(2, 3, 4, 4))
