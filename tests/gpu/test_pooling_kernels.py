"""Pooling in Triton: on a CUDA device, or slowly on the CPU under TRITON_INTERPRET=1."""

import pytest
import torch
from torch.autograd import grad
from torch.testing import assert_close

from huashi._windows import axes_of
from huashi.pooling import reference
from huashi.pooling.dimensions import memory_format_of
from huashi.pooling.offsets import indices_of, nowhere, offset_dtype, offsets_of
from tests.conftest import GRADIENT_TOLERANCE, INTERPRET, TOLERANCE

pytest.importorskip("triton")
from huashi.pooling.gpu import averages, draw, extrema, means
from huashi.pooling.gpu import windows as gpu_windows

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        DEVICE == "cpu" and not INTERPRET, reason="needs a CUDA device or TRITON_INTERPRET=1"
    ),
]
INF, NAN = torch.inf, torch.nan
SINGLE, BRAIN, HALF = torch.float32, torch.bfloat16, torch.float16
EPS = 0.125
CASES = {  # shape, then the arguments of axes_of
    "line": ((2, 3, 9), {"kernel_size": 3, "stride": 2, "padding": 1}),
    "gaps": ((1, 2, 11), {"kernel_size": 2, "stride": 3}),
    "much padding": ((2, 2, 3), {"kernel_size": 2, "stride": 1, "padding": 4}),
    "one side": ((1, 2, 8), {"kernel_size": 3, "stride": 1, "padding": ((2, 0),)}),
    "stride 4, dilation 6": (
        (1, 2, 23),
        {"kernel_size": 4, "stride": 4, "padding": 5, "dilation": 6},
    ),
    "stride 3, dilation 2": (
        (1, 2, 17),
        {"kernel_size": 5, "stride": 3, "padding": 2, "dilation": 2, "ceil_mode": True},
    ),
    "stride 1, dilation 3": ((1, 2, 14), {"kernel_size": 3, "stride": 1, "dilation": 3}),
    "plane": ((2, 3, 4, 6), {"kernel_size": 2}),
    "no batch": ((3, 5, 6), {"kernel_size": (2, 3), "stride": (1, 2), "padding": 0}),
    "overlap": ((2, 3, 4, 5), {"kernel_size": 3, "stride": 1, "padding": 1}),
    "overhang": (
        (1, 2, 6, 5),
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    ),
    "same": ((1, 2, 5, 4), {"kernel_size": 2, "stride": 2, "padding": "same_lower"}),
    "empty": ((1, 3, 1, 1), {"kernel_size": 2, "padding": 1, "dilation": 2}),
    "volume": (
        (1, 2, 3, 4, 5),
        {"kernel_size": (2, 1, 3), "stride": (1, 2, 3), "padding": ((0, 1), (1, 0), (1, 1))},
    ),
    "whole plane": ((2, 3, 5, 4), {"kernel_size": (5, 4)}),
    "whole line": ((1, 2, 2100), {"kernel_size": 2100}),  # more than one chunk
    "large": (  # offsets of two bytes
        (1, 1, 17, 17),
        {"kernel_size": (17, 16), "stride": 1, "padding": ((1, 0), (0, 0))},
    ),
}
LIKE_OTHERS = ("line", "gaps", "stride 3, dilation 2", "stride 1, dilation 3", "plane", "overlap")
FEW = ("one side", "stride 4, dilation 6", "overhang", "empty", "whole plane")
KINDS = {  # the reference, and numbers for its parameter
    "lp": (lambda x, axes, p: reference.lp(x, axes, p.item()), (3.0, 2.0, 0.5)),
    "lp_mean": (lambda x, axes, p: reference.lp(x, axes, p.item(), mean=True), (1.0, 2.0)),
    "power": (lambda x, axes, p: reference.power(x, axes, p, eps=EPS), (3.0, 1.5)),
    "soft": (lambda x, axes, _: reference.soft(x, axes), (0.0, 0.0)),
    "log_sum_exp": (reference.log_sum_exp, (2.5, 10.0)),
    "stochastic": (lambda x, axes, _: reference.stochastic(x, axes, training=False), (0.0, 0.0)),
}


def cases(names, slow=()):
    """Shapes and windows; the interpreter leaves some to the slow tests."""
    chosen = [
        pytest.param(
            CASES[name][0], axes_for(name), id=name, marks=[pytest.mark.slow] * (name in slow)
        )
        for name in names
    ]
    return pytest.mark.parametrize(("shape", "axes"), chosen)


def kinds_and_cases():
    """Every kind in every few; the interpreter is slow, and takes one of them for each kind."""
    for i, kind in enumerate(KINDS):
        for j, name in enumerate(FEW):
            marks = [pytest.mark.slow] * ((i + j) % len(FEW) > 0)
            yield pytest.param(
                kind, CASES[name][0], axes_for(name), id=f"{kind}-{name}", marks=marks
            )


def axes_for(name):
    shape, arguments = CASES[name]
    dims = len(shape) - (1 if name == "no batch" else 2)
    return axes_of(shape[-dims:], **arguments)


@pytest.fixture
def limit(monkeypatch):
    """Set a limit of the kernels for the rest of a test."""

    def forget():
        gpu_windows.forward.cache_clear()
        gpu_windows.backward.cache_clear()

    def choose(name, value):
        monkeypatch.setattr(gpu_windows, name, value)
        forget()

    yield choose
    forget()


@pytest.fixture
def compiled_for(limit):
    """Whether kernels are compiled for small windows, or take them as they come."""
    return lambda windows: limit("UNROLLED", 64 if windows else 0)


def image(shape, dtype=SINGLE, *, last=False, ties=False, nan=False):
    x = torch.randn(shape)
    x = x.round() if ties else x
    x = x.masked_fill(torch.rand(shape) < 0.2, NAN) if nan else x
    return laid_out(x.to(DEVICE, dtype), last=last)


def laid_out(x, *, last):
    if not last or x.ndim < 4:
        return x
    memory = torch.channels_last if x.ndim == 4 else torch.channels_last_3d
    return x.contiguous(memory_format=memory)


def number(value):
    return torch.tensor(value, device=DEVICE)


def outcome(shape, axes):
    """The shape of a result."""
    return (*shape[: -len(axes)], *(axis.windows for axis in axes))


def assert_extrema_agree(x, axes, sign):
    want, index = reference.extremum(x, axes, sign=sign)
    y, offsets = extrema.extremum_offsets(x, axes, sign)
    assert_close(y, want, rtol=0, atol=0, equal_nan=True)
    assert offsets.dtype == offset_dtype(axes)
    assert torch.equal(offsets, offsets_of(index, axes))
    return y, offsets


@cases(CASES)
def test_extrema_and_where_they_lie(shape, axes, compiled_for):
    assert_extrema_agree(image(shape, ties=True, last=True), axes, 1)
    assert_extrema_agree(image(shape, ties=True, nan=True), axes, -1)
    compiled_for(windows=False)
    assert_extrema_agree(image(shape, BRAIN, ties=True, nan=True, last=True), axes, 1)
    assert_extrema_agree(image(shape, HALF, ties=True), axes, -1)


@cases(CASES, slow=LIKE_OTHERS)
def test_gradient_goes_to_what_was_picked(shape, axes, compiled_for):
    for dtype in (SINGLE, BRAIN):
        x = image(shape, ties=True, last=dtype == BRAIN).requires_grad_()
        y, index = reference.extremum(x, axes)
        g = torch.rand(y.shape, device=DEVICE).to(dtype)
        dx = extrema.pick_backward(g, offsets_of(index, axes), axes)
        assert dx.dtype == dtype
        assert_close(dx.float(), grad(y, x, g.float())[0], **GRADIENT_TOLERANCE[dtype])
        compiled_for(windows=False)


@cases(FEW)
def test_extrema_without_places(shape, axes):
    x = image(shape, nan=True)
    for sign in (1, -1):
        y, _ = reference.extremum(x, axes, sign=sign)
        assert_close(extrema.extremum(x, axes, sign), y, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("windows", [True, False])
def test_infinities_and_empty_windows_are_told_apart(windows, compiled_for):
    compiled_for(windows)
    axes = axes_of((4,), 2, 2, 3)
    x = torch.tensor([[[-INF, -INF, INF, -INF]]], device=DEVICE)
    y, offsets = assert_extrema_agree(x, axes, 1)
    assert_extrema_agree(x, axes, -1)
    assert indices_of(offsets, axes).tolist() == [[[-1, 0, 2, 3, -1]]]
    assert offsets[0, 0, 0] == nowhere(offsets.dtype)
    assert extrema.pick_backward(torch.ones_like(y), offsets, axes).tolist() == [[[1, 0, 1, 1]]]


@cases([name for name in CASES if name != "large"], slow=LIKE_OTHERS)
def test_average(shape, axes, compiled_for):
    rules = (True, None), (False, None), (True, 3)
    for dtype, rule in zip((SINGLE, HALF, BRAIN), rules, strict=True):
        x = image(shape, dtype, last=dtype == BRAIN)
        x64 = x.double().requires_grad_()
        options = dict(zip(("count_include_pad", "divisor_override"), rule, strict=True))
        y64 = reference.average(x64, axes, **options)
        g = laid_out(torch.rand(y64.shape, device=DEVICE).to(dtype), last=dtype == SINGLE)
        y, dx = averages.average(x, axes, *rule), averages.average_backward(g, axes, *rule)
        assert (y.dtype, dx.dtype) == (dtype, dtype)
        assert_close(y.double(), y64, **TOLERANCE[dtype])
        assert_close(dx.double(), grad(y64, x64, g.double())[0], **GRADIENT_TOLERANCE[dtype])
        compiled_for(windows=dtype == HALF)


def test_nan_and_infinity_stay_in_their_windows():
    x, axes = torch.ones(1, 1, 8, device=DEVICE), axes_of((8,), 2)
    x[0, 0, 2], x[0, 0, 5] = NAN, INF
    kinds = [("lp", 2.0), ("lp_mean", 0.5), ("power", 3.0), ("log_sum_exp", 1.0)]
    got = [means.formula(x, axes, kind, number(param), EPS)[0, 0] for kind, param in kinds]
    for y in (averages.average(x, axes, True, None)[0, 0], *got):
        assert_close(y[1:3].cpu(), torch.tensor([NAN, INF]), equal_nan=True)
        assert y[[0, 3]].isfinite().all()


@pytest.mark.parametrize(("kind", "shape", "axes"), [*kinds_and_cases()])
def test_formulas_and_their_gradients(kind, shape, axes, compiled_for):
    function, params = KINDS[kind]
    for param, dtype in zip(params, (SINGLE, HALF, SINGLE), strict=False):
        compiled_for(windows=dtype == SINGLE)
        x = image(shape, dtype, last=dtype == SINGLE)
        assert_formula_agrees(x, axes, kind, function, param)


@pytest.mark.parametrize(("kind", "shape", "axes"), [*kinds_and_cases()])
def test_formulas_see_nothing_of_what_is_masked(kind, shape, axes, compiled_for):
    for dtype, size in ((SINGLE, shape), (HALF, (*shape[:-2], 1, shape[-1])), (BRAIN, shape[-1:])):
        compiled_for(windows=dtype == SINGLE)
        mask = torch.rand(size, device=DEVICE) < 0.6
        x = image(shape, dtype, last=dtype == SINGLE).masked_fill(~mask, NAN)

        def function(x, axes, param, mask=mask):
            learned = kind in ("power", "log_sum_exp")
            return reference.formula(x, axes, kind, param if learned else param.detach(), EPS, mask)

        assert_formula_agrees(x, axes, kind, function, KINDS[kind][1][0], mask)


def assert_formula_agrees(x, axes, kind, function, param, mask=None):
    param = number(param)
    x64, p64 = x.double().requires_grad_(), param.double().requires_grad_()
    y64 = function(x64, axes, p64)
    g = torch.rand(y64.shape, device=DEVICE).to(x.dtype)
    y = means.formula(x, axes, kind, param, EPS, mask)
    dx = means.formula_backward(g, x, axes, kind, param, EPS, mask)
    assert (y.dtype, dx.dtype) == (x.dtype, x.dtype)
    assert_close(y.double(), y64, **TOLERANCE[x.dtype])
    dx64 = grad(y64, x64, g.double(), retain_graph=True)[0]
    assert_close(dx.double(), dx64, **GRADIENT_TOLERANCE[x.dtype])
    if kind in ("power", "log_sum_exp"):
        slope = means.formula_slope(x, axes, kind, param, EPS, mask)
        want = torch.stack([grad(each, p64, retain_graph=True)[0] for each in y64.flatten()[:9]])
        assert slope.dtype == SINGLE
        scale = y64.abs().max().item()  # it is a difference of numbers as large
        assert_close(slope.flatten()[:9].double(), want, rtol=2e-5, atol=2e-7 * scale)


@pytest.mark.parametrize("kind", KINDS)
def test_formulas_of_large_numbers(kind):
    function, params = KINDS[kind]
    x, axes = torch.rand(1, 2, 8, device=DEVICE), axes_of((8,), 2)
    for scale, shift in ((1e4, 1.0), (1.0, 3e4), (3e30, 0.0)):
        assert_formula_agrees(x * scale + shift, axes, kind, function, params[0])


def test_norm_of_large_half_precision_numbers():
    x = torch.full((1, 1, 2), 300.0, dtype=HALF, device=DEVICE)
    assert means.formula(x, axes_of((2,), 2), "lp", number(2.0), EPS).item() == 424.25


def test_formulas_of_zeros_have_no_gradient():
    x, axes = torch.zeros(1, 1, 4, device=DEVICE), axes_of((4,), 2)
    for kind, param in (("lp", 0.5), ("lp", 1.0), ("lp_mean", 2.0), ("stochastic", 1.0)):
        y = means.formula(x, axes, kind, number(param), EPS)
        dx = means.formula_backward(torch.ones_like(y), x, axes, kind, number(param), EPS)
        assert (y == 0).all()
        assert (dx == 0).all()


def test_generalised_mean_has_no_gradient_below_its_floor():
    x, axes = torch.tensor([[[EPS, 0.05, 2.0, -1.0]]], device=DEVICE), axes_of((4,), 2)
    g = torch.ones(1, 1, 2, device=DEVICE)
    dx = means.formula_backward(g, x, axes, "power", number(3.0), EPS)
    assert (dx[0, 0] > 0).tolist() == [True, False, True, False]


def drawn(x, axes, weights, point):
    """What should be drawn, in float64."""
    values, real, _ = reference.windows(x.double(), axes)
    real = real.expand(values.shape)
    values = torch.where(real, values, 0)
    share = values.relu() if weights == "relu" else reference.softmax(values, real)
    edges = share.cumsum(-1)
    beyond = (edges > point.double()[..., None] * edges[..., -1:]) & (share > 0)
    at = beyond.to(torch.uint8).argmax(-1)
    possible = share.sum(-1) > 0
    y = torch.where(possible, values.gather(-1, at[..., None])[..., 0], 0)
    return y.to(x.dtype), torch.where(possible, at, nowhere(offset_dtype(axes)))


@cases((*FEW, "volume", "whole line", "large"))
@pytest.mark.parametrize("weights", ["relu", "softmax"])
def test_draws(weights, shape, axes, compiled_for):
    for dtype, last in ((SINGLE, False), (BRAIN, True)):
        x = image(shape, dtype, last=last)
        point = torch.rand(outcome(shape, axes), device=DEVICE)
        y, offsets = draw.draw(x, axes, weights, point)
        want, at = drawn(x, axes, weights, point)
        assert (y.dtype, offsets.dtype) == (dtype, offset_dtype(axes))
        assert_close(y, want, rtol=0, atol=0)
        assert torch.equal(offsets.long(), at)
        compiled_for(windows=False)


@pytest.mark.parametrize("n", [3, 40])
def test_a_draw_takes_no_element_without_weight(n):
    x, axes = torch.zeros(1, 2, n, device=DEVICE), axes_of((n,), n)
    x[0, 0, 1:3] = torch.tensor([0.25, 0.75])
    for point, value, offset in ((0.0, 0.25, 1), (0.25, 0.75, 2), (1 - 2.0**-24, 0.75, 2)):
        y, offsets = draw.draw(x, axes, "relu", torch.full((1, 2, 1), point, device=DEVICE))
        assert_close(y.flatten().cpu(), torch.tensor([value, 0.0]))
        assert offsets.flatten().tolist() == [offset, 255]


def everything(x, axes, g):
    """The result of every function, in the order forward, backward."""
    y, offsets = extrema.extremum_offsets(x, axes, 1)
    power = "power", number(3.0), EPS
    return [
        *(y, offsets, averages.average(x, axes, True, None), means.formula(x, axes, *power)),
        *(draw.draw(x, axes, "relu", g)[0], means.formula_slope(x, axes, *power)),
        averages.average_backward(
            g.contiguous(memory_format=memory_format_of(y, len(axes))), axes, True, None
        ),
        extrema.pick_backward(g, offsets, axes),
        means.formula_backward(g, x, axes, "soft", number(1.0), EPS),
    ]


@pytest.mark.parametrize(
    "shape", [(2, 3, 2, 4), pytest.param((2, 3, 1, 2, 4), marks=pytest.mark.slow)]
)
def test_memory_formats_are_kept_and_strides_do_not_matter(shape):
    part, whole = axes_of(shape[2:], (*shape[2:-1], 2)), axes_of(shape[2:], shape[2:])
    last = image(shape, last=True)
    for x, axes in ((last, part), (last, whole), (image(shape).transpose(0, 1), part)):
        g = torch.full((), 0.5, device=DEVICE).expand(outcome(x.shape, axes))
        got, want = everything(x, axes, g), everything(x.clone().contiguous(), axes, g)
        assert_close(got, want)
        if axes is part:
            assert all((t.stride(1) == 1) == (x is last) for t in got)
        assert not any(t.stride(-1) == t.shape[1] for t in want)


def test_numbers_of_64_bits(limit):
    x, axes = image((2, 3, 4, 6)), axes_for("plane")
    g = torch.rand(outcome(x.shape, axes), device=DEVICE)
    want = everything(x, axes, g)
    limit("NARROW", 0)
    assert_close(everything(x, axes, g), want, rtol=0, atol=0)


def test_kernels_are_compiled_for_small_windows_only():
    for size, small in ((8, True), (9, False)):
        _, g = gpu_windows.forward(400, axes_of((20, 20), size), 1)
        assert bool(g.unroll) == small
        assert isinstance(g.kernel[1], int) == (not small)
        assert isinstance(g.length[1], int)


@pytest.mark.parametrize("kind", ["power", "log_sum_exp"])
def test_the_slope_of_a_small_parameter_keeps_its_digits(kind):
    """It is half the variance of the elements or of their logarithms, as the parameter goes to 0."""
    x, axes = torch.tensor([[[1.0, 2.0, 3.0, 30.0]]], device=DEVICE), axes_of((4,), 4)
    exponents = x.double().log() if kind == "power" else x.double()
    want = exponents.var(-1, correction=0) / 2
    want = want * exponents.mean(-1).exp() if kind == "power" else want
    slope = means.formula_slope(x, axes, kind, number(1e-6), EPS)
    assert_close(slope[0].double(), want, rtol=1e-4, atol=0)


def test_a_parameter_that_is_no_number_or_infinite():
    x, axes = torch.tensor([[[1.0, 3.0, 3.0, 2.0]]], device=DEVICE), axes_of((4,), 4)
    g = torch.ones(1, 1, 1, device=DEVICE)
    for kind in ("power", "log_sum_exp"):
        assert means.formula(x, axes, kind, number(NAN), EPS).isnan().all()
        assert means.formula_backward(g, x, axes, kind, number(NAN), EPS).isnan().all()
        assert means.formula_slope(x, axes, kind, number(NAN), EPS).isnan().all()
        assert means.formula(x, axes, kind, number(INF), EPS).item() == 3
        dx = means.formula_backward(g, x, axes, kind, number(INF), EPS)
        assert_close(dx.cpu(), torch.tensor([[[0.0, 0.5, 0.5, 0.0]]]))


def test_sums_may_be_wider_than_their_elements():
    x, axes = torch.full((1, 1, 64, 64), 20.0, dtype=HALF, device=DEVICE), axes_of((64, 64), 64)
    y = averages.average(x, axes, False, 1, True)
    assert (y.dtype, y.item()) == (SINGLE, 20 * 64 * 64)


@pytest.mark.parametrize("windows", [True, False])
def test_what_is_absent_is_picked_from_no_window_with_another_element(windows, compiled_for):
    compiled_for(windows)
    axes, mask = axes_of((6,), 3), torch.tensor([False, True, True, False, False, False])
    x = torch.tensor([[[-INF] * 6]], device=DEVICE)
    y, offsets = extrema.extremum_offsets(x, axes, 1, mask.to(DEVICE))
    assert y.tolist() == [[[-INF, -INF]]]
    assert offsets.tolist()[0][0][0] == 1


def test_soft_pools_of_the_largest_numbers():
    x, axes = torch.tensor([[[3e38, 3e38, -3e38, 3e38]]], device=DEVICE), axes_of((4,), 2)
    y = means.formula(x, axes, "soft", number(0.0), EPS)
    dx = means.formula_backward(torch.ones_like(y), x, axes, "soft", number(0.0), EPS)
    assert_close(y, torch.full_like(y, 3e38))
    assert_close(dx.cpu(), torch.tensor([[[0.5, 0.5, 0.0, 1.0]]]))
