"""``implementation("kernel")``: kernels compute all of a pool, or an error says why they do not."""

import contextlib
import inspect

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from huashi import implementation, pooling
from huashi._kernel.operator import DECLARED
from huashi.pooling import reference

LINE, IMAGE = torch.randn(2, 3, 8), torch.randn(2, 3, 4, 6)
MASK, LENGTHS = torch.rand(2, 1, 4, 6) < 0.8, torch.tensor([8, 5])
MEANINGS = [  # the functions of the reference that compute a pool
    *("extremum", "extremum_of", "average", "lp", "power", "soft", "log_sum_exp", "stochastic"),
    *("sorted_mean", "quantile"),
]
COVERED = {
    "max": lambda: pooling.max_pool2d(IMAGE, 2),
    "max, mask": lambda: pooling.max_pool2d(IMAGE, 2, mask=MASK),
    "max, lengths": lambda: pooling.max_pool1d(LINE, 2, lengths=LENGTHS),
    "max, indices": lambda: pooling.max_pool2d(IMAGE, 2, return_indices=True),
    "max, places": lambda: pooling.max_pool2d(IMAGE, 2, return_indices="compact"),
    "min": lambda: pooling.min_pool2d(IMAGE, 2),
    "min, mask": lambda: pooling.min_pool2d(IMAGE, 2, mask=MASK),
    "mask": lambda: pooling.mask_pool2d(MASK, 2),
    "avg": lambda: pooling.avg_pool2d(IMAGE, 2),
    "avg, mask": lambda: pooling.avg_pool2d(IMAGE, 2, mask=MASK),
    "avg, mask, real ones": lambda: pooling.avg_pool2d(IMAGE, 2, count_include_pad=False, mask=MASK),
    "avg, all, mask": lambda: pooling.global_avg_pool(IMAGE, mask=MASK),
    "lp": lambda: pooling.lp_pool2d(IMAGE, 3, 2),
    "lp, mask": lambda: pooling.lp_pool2d(IMAGE, 3, 2, mask=MASK),
    "lp 2": lambda: pooling.lp_pool2d(IMAGE, 2, 2),
    "lp 2, mask": lambda: pooling.lp_pool2d(IMAGE, 2, 2, mask=MASK),
    "gem": lambda: pooling.gem_pool2d(IMAGE, 2, p=3),
    "gem, mask": lambda: pooling.gem_pool2d(IMAGE, 2, p=3, mask=MASK),
    "soft": lambda: pooling.soft_pool2d(IMAGE, 2),
    "soft, lengths": lambda: pooling.soft_pool1d(LINE, 2, lengths=LENGTHS),
    "log_sum_exp": lambda: pooling.log_sum_exp_pool2d(IMAGE, 2, r=1.0),
    "log_sum_exp, mask": lambda: pooling.log_sum_exp_pool2d(IMAGE, 2, r=1.0, mask=MASK),
    "stochastic": lambda: pooling.stochastic_pool2d(IMAGE, 2),
    "stochastic, mask": lambda: pooling.stochastic_pool2d(IMAGE, 2, mask=MASK),
    "stochastic, expected": lambda: pooling.stochastic_pool2d(IMAGE, 2, training=False),
    "stochastic, expected, mask": lambda: pooling.stochastic_pool2d(
        IMAGE, 2, training=False, mask=MASK
    ),
    "sort": lambda: pooling.sort_pool2d(IMAGE, 2, scores=torch.zeros(2)),
    "sort, mask": lambda: pooling.sort_pool2d(IMAGE, 2, scores=torch.zeros(2), mask=MASK),
    "quantile": lambda: pooling.quantile_pool2d(IMAGE, 2, q=0.3),
    "quantile, mask": lambda: pooling.quantile_pool2d(IMAGE, 2, q=0.3, mask=MASK),
    "median": lambda: pooling.median_pool2d(IMAGE, 2),
    "median, one window in a row, no gradient": lambda: pooling.median_pool2d(IMAGE, (2, 6)),
    "mixed": lambda: pooling.mixed_pool2d(IMAGE, 2, a=0.3),
    "mixed, mask": lambda: pooling.mixed_pool2d(IMAGE, 2, a=0.3, mask=MASK),
    "s3, expected": lambda: pooling.s3_pool2d(IMAGE, 2, training=False),
    "s3, expected, mask": lambda: pooling.s3_pool2d(IMAGE, 2, training=False, mask=MASK),
    "adaptive_max": lambda: pooling.adaptive_max_pool2d(IMAGE, 2),
    "adaptive_min": lambda: pooling.adaptive_min_pool2d(IMAGE, 2),
    "adaptive_avg": lambda: pooling.adaptive_avg_pool2d(IMAGE, 2),
    "adaptive_lp": lambda: pooling.adaptive_lp_pool2d(IMAGE, 2, 2),
    "adaptive_gem": lambda: pooling.adaptive_gem_pool2d(IMAGE, 2, p=3),
    "adaptive_gem, mask": lambda: pooling.adaptive_gem_pool2d(IMAGE, 2, p=3, mask=MASK),
    "adaptive_soft": lambda: pooling.adaptive_soft_pool2d(IMAGE, 2),
    "spatial_pyramid": lambda: pooling.spatial_pyramid_pool2d(IMAGE, (1, 2)),
    "global_max": lambda: pooling.global_max_pool(IMAGE),
    "global_min, mask": lambda: pooling.global_min_pool(IMAGE, mask=MASK),
    "global_lp": lambda: pooling.global_lp_pool(IMAGE, 3),
    "global_gem": lambda: pooling.global_gem_pool(IMAGE),
    "global_gem, mask": lambda: pooling.global_gem_pool(IMAGE, mask=MASK),
    "global_log_sum_exp": lambda: pooling.global_log_sum_exp_pool(IMAGE, 1.0),
    "global_soft": lambda: pooling.global_soft_pool(IMAGE),
    "k_max": lambda: pooling.k_max_pool1d(LINE, 3),
    "dynamic_k_max": lambda: pooling.dynamic_k_max_pool1d(LINE, 1, 2, k_top=2),
    "chunk_max": lambda: pooling.chunk_max_pool1d(LINE, 3),
    "chunk_max, lengths": lambda: pooling.chunk_max_pool1d(LINE, 3, lengths=LENGTHS),
    "unpool": lambda: pooling.max_unpool2d(*pooling.max_pool2d(IMAGE, 2, return_indices="compact")),
}  # fmt: skip
MASKED, BINS = "takes every element of x as real", "bins of several sizes"
UNCOVERED = {  # with a part of the reason
    "max, indices, mask": (
        lambda: pooling.max_pool2d(IMAGE, 2, return_indices=True, mask=MASK),
        "no kernel serves pool_extremum_offsets: what is absent counts as -inf",
    ),
    "min, places, lengths": (
        lambda: pooling.min_pool1d(LINE, 2, return_indices="compact", lengths=LENGTHS),
        "no kernel serves pool_extremum_offsets: what is absent counts as -inf",
    ),
    "max, float8": (
        lambda: pooling.max_pool2d(IMAGE.to(torch.float8_e4m3fn), 2),
        "no kernel serves pool_extremum: none exists for torch.float8_e4m3fn on cpu",
    ),
    "avg, all": (lambda: pooling.avg_pool2d(IMAGE, (4, 6)), "average_of_all: torch's mean"),
    "global_avg": (lambda: pooling.global_avg_pool(IMAGE), "average_of_all: torch's mean"),
    "lp inf": (lambda: pooling.lp_pool2d(IMAGE, torch.inf, 2), "the limit is the largest magnitude"),
    "median, large": (lambda: pooling.median_pool1d(torch.randn(1, 99), 65), "up to 64 elements"),
    "median, one window in a row": (
        lambda: pooling.median_pool2d(IMAGE.clone().requires_grad_(), (2, 6)),
        "side by side",
    ),
    "gated": (
        lambda: pooling.gated_pool2d(IMAGE, 2, weight=torch.zeros(4)),
        "weighted_windows: windows times weights are a convolution",
    ),
    "mixed, all": (lambda: pooling.mixed_pool2d(IMAGE, (4, 6), a=0.3), "average_of_all"),
    "blur": (lambda: pooling.blur_pool2d(IMAGE), "blurred: it is a convolution"),
    "max_blur": (lambda: pooling.max_blur_pool2d(IMAGE, 2), "blurred: it is a convolution"),
    **{
        f"adaptive_{kind}, {name}": (
            lambda kind=kind, more=more, options=options: getattr(
                pooling, f"adaptive_{kind}_pool2d"
            )(IMAGE, output_size=(3, 4), **more, **options),
            BINS,
        )
        for kind, more in {
            "max": {},
            "min": {},
            "avg": {},
            "lp": {"norm_type": 2},
            "gem": {"p": 3},
            "soft": {},
        }.items()
        for name, options in {"unequal": {}, "unequal, mask": {"mask": MASK}}.items()
    },
    "spatial_pyramid, unequal": (lambda: pooling.spatial_pyramid_pool2d(IMAGE, (1, 3)), BINS),
    "spatial_pyramid, avg": (
        lambda: pooling.spatial_pyramid_pool2d(IMAGE, (1, 2), "avg"),
        "average_of_all",
    ),
    "fractional_max": (lambda: pooling.fractional_max_pool2d(IMAGE, 2, 3), "regions of its own"),
    "s3": (lambda: pooling.s3_pool2d(IMAGE, 2), "rows and columns"),
    "global_attention": (lambda: pooling.global_attention_pool(IMAGE, torch.ones(3)), "two matrix"),
    "global_covariance": (lambda: pooling.global_covariance_pool(IMAGE), "a matrix product"),
    "k_max, lengths": (lambda: pooling.k_max_pool1d(LINE, 3, lengths=LENGTHS), MASKED),
    "dynamic_k_max, lengths": (
        lambda: pooling.dynamic_k_max_pool1d(LINE, 1, 2, k_top=2, lengths=LENGTHS),
        MASKED,
    ),
    "chunk_max, mask": (
        lambda: pooling.chunk_max_pool1d(LINE, 3, mask=LINE > -1),
        "not what is absent within",
    ),
    "unpool, indices": (
        lambda: pooling.max_unpool1d(LINE, torch.arange(8).expand(2, 3, 8), output_size=[9]),
        "which only Places have",
    ),
    "unpool, overlapping": (
        lambda: pooling.max_unpool1d(*pooling.max_pool1d(LINE, 3, 1, return_indices="compact")),
        "a rule has to choose",
    ),
}  # fmt: skip


class Operators(TorchDispatchMode):
    """Which operators of ``torch.ops.huashi`` run meanwhile."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "huashi":
            self.seen.add(func.name())
        return func(*args, **(kwargs or {}))


@pytest.fixture
def meanings(monkeypatch):
    """The functions of the reference that are called meanwhile."""
    called = []
    for name in MEANINGS:
        run = getattr(reference, name)
        monkeypatch.setattr(
            reference, name, lambda *a, run=run, n=name, **k: called.append(n) or run(*a, **k)
        )
    return called


@pytest.mark.parametrize("call", COVERED)
def test_kernels_compute_what_is_covered(call, meanings):
    with implementation("kernel"), Operators() as operators:
        COVERED[call]()
    assert operators.seen
    assert meanings == []


@pytest.mark.parametrize("call", UNCOVERED)
def test_an_error_says_why_no_kernel_serves(call, meanings):
    run, reason = UNCOVERED[call]
    with (
        implementation("kernel"),
        pytest.raises(RuntimeError, match=rf'^implementation\("kernel"\): .*{reason}'),
    ):
        run()
    assert meanings == []
    if "float8" not in call:  # in which torch computes next to nothing
        run()


@pytest.mark.parametrize("call", COVERED)
def test_no_kernel_runs_where_the_reference_is_asked(call):
    if call in ("stochastic", "stochastic, mask"):
        pytest.skip("draws its own")
    with implementation("reference"), Operators() as operators:
        want = COVERED[call]()
    assert not operators.seen
    torch.testing.assert_close(COVERED[call](), want)


def test_every_pool_is_here_and_every_reason():
    called = {call.partition(",")[0].split()[0] for call in (*COVERED, *UNCOVERED)}
    functions = {
        "unpool" if "unpool" in name else name.rstrip("123d").removesuffix("_pool")
        for name in pooling.__all__
        if inspect.isfunction(function := getattr(pooling, name))
        and next(iter(inspect.signature(function).parameters)) in ("x", "mask")
    }
    assert called == functions
    with contextlib.ExitStack() as stack:
        stack.enter_context(implementation("kernel"))
        found = set()
        for run, _ in UNCOVERED.values():
            try:
                run()
            except RuntimeError as error:
                found.add(str(error).partition(": ")[2].partition(": ")[2])
    declared = {
        why for name, one in DECLARED.items() if name.startswith("pool_") for why in one.uncovered.values()
    }  # fmt: skip
    assert declared <= found
