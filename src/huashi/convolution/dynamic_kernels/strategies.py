r"""Ways to convolve each sample with its own mixture of kernels; all have the same result.

With kernels :math:`W_k` and coefficients :math:`r_{bk}` a sample is

.. math:: y_b = \Bigl(\sum_k r_{bk} W_k\Bigr) * x_b = \sum_k r_{bk} (W_k * x_b)

on the left with the kernels mixed, on the right with the results. Mixing kernels costs
:math:`K |W|` multiply-adds a sample, and one convolution; mixing results K convolutions. Each way
takes the padded input (batch, in, *lengths), kernels (K, out, in / groups, *kernel), biases (K,
out) or None, coefficients (batch, K, sets) and the :class:`Geometry`.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from huashi.convolution.plain import CONVOLVE

Strategy = Literal["one_kernel", "per_sample", "grouped", "products", "mixed_outputs"]


class Geometry(NamedTuple):
    """What a convolution is told beside its tensors."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    """On both sides of each axis; what is not the same on both sides is in the input already."""
    dilation: tuple[int, ...]
    groups: int

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None, batch: int = 1) -> Tensor:
        """What torch has, of so many samples beside one another as groups."""
        stride, padding, dilation, groups = self
        function = CONVOLVE[len(stride)]
        return function(x, weight, bias, stride, padding, dilation, batch * groups)


def mixed(coefficients: Tensor, stacked: Tensor) -> Tensor:
    """The sum of ``stacked``, (K, out, ...), weighted for each sample: (batch, out, ...).

    >>> mixed(torch.tensor([[[2.0], [3.0]]]), torch.tensor([[1.0, 10.0], [0.0, 1.0]]))
    tensor([[ 2., 23.]])
    """
    batch, kernels, sets = coefficients.shape
    if sets == 1:
        flat = coefficients.view(batch, kernels) @ stacked.flatten(1)
    else:
        by_set = stacked.unflatten(1, (sets, -1)).flatten(2)  # (K, sets, numbers)
        flat = torch.einsum("bks,ksn->bsn", coefficients, by_set)
    return flat.reshape(batch, *stacked.shape[1:])


def one_kernel(
    x: Tensor, weight: Tensor, bias: Tensor | None, coefficients: Tensor, geometry: Geometry
) -> Tensor:
    """Of a single sample: its kernel, and a plain convolution."""
    if len(coefficients) != 1:
        raise ValueError(
            f"x must be a batch of 1 for strategy 'one_kernel', got {len(coefficients)}"
        )
    of_sample = None if bias is None else mixed(coefficients, bias)[0]
    return geometry.convolve(x, mixed(coefficients, weight)[0], of_sample)


def per_sample(
    x: Tensor, weight: Tensor, bias: Tensor | None, coefficients: Tensor, geometry: Geometry
) -> Tensor:
    """Kernels are mixed; a plain convolution for each sample."""
    weights = mixed(coefficients, weight).unbind()
    biases = (None,) * len(weights) if bias is None else mixed(coefficients, bias).unbind()
    samples = zip(x.split(1), weights, biases, strict=True)
    return torch.cat([geometry.convolve(*sample) for sample in samples])


def grouped(
    x: Tensor, weight: Tensor, bias: Tensor | None, coefficients: Tensor, geometry: Geometry
) -> Tensor:
    """Kernels are mixed; one convolution with the samples as groups."""
    batch = len(x)
    side_by_side = None if bias is None else mixed(coefficients, bias).flatten()
    of_samples = mixed(coefficients, weight).flatten(0, 1)
    y = geometry.convolve(x.flatten(0, 1)[None], of_samples, side_by_side, batch)
    return y[0].unflatten(0, (batch, weight.shape[1]))


def products(
    x: Tensor, weight: Tensor, bias: Tensor | None, coefficients: Tensor, geometry: Geometry
) -> Tensor:
    """Kernels are mixed; a product of matrices for each sample, over its elements tap by tap."""
    taps, lengths = _taps(x, weight.shape[3:], geometry)
    groups = geometry.groups
    elements = taps.unflatten(1, (groups, -1)).flatten(2, 3)  # (batch, groups, in * taps, results)
    of_samples = mixed(coefficients, weight).flatten(2).unflatten(1, (groups, -1))
    y = (of_samples @ elements).flatten(1, 2)
    if bias is not None:
        y = y + mixed(coefficients, bias)[..., None]
    return y.unflatten(2, lengths)


def mixed_outputs(
    x: Tensor, weight: Tensor, bias: Tensor | None, coefficients: Tensor, geometry: Geometry
) -> Tensor:
    """One convolution with all kernels, K times the output channels; its results are mixed."""
    kernels, out = weight.shape[:2]
    groups = geometry.groups
    # the output channels of a group have to stand side by side: (groups, K, out / groups)
    of_groups = None if bias is None else _by_group(bias, groups)
    y = geometry.convolve(x, _by_group(weight, groups), of_groups)
    y = y.unflatten(1, (groups, kernels, -1))
    share = coefficients[..., None].expand(-1, -1, -1, out // coefficients.shape[2]).flatten(2)
    share = share.unflatten(2, (groups, -1)).transpose(1, 2).to(y.dtype)
    share = share.reshape(*share.shape, *(1,) * len(geometry.stride))
    return (y * share).sum(2).flatten(1, 2)


STRATEGIES: Mapping[str, Callable[..., Tensor]] = {
    one.__name__: one for one in (one_kernel, per_sample, grouped, products, mixed_outputs)
}


def _by_group(stacked: Tensor, groups: int) -> Tensor:
    return stacked.unflatten(1, (groups, -1)).transpose(0, 1).flatten(0, 2)


def _taps(
    x: Tensor, kernel_size: Sequence[int], geometry: Geometry
) -> tuple[Tensor, tuple[int, ...]]:
    """What each tap sees, (batch, in, taps, results), and how many results there are by axis."""
    around = [number for number in reversed(geometry.padding) for _ in range(2)]
    if any(around):
        x = F.pad(x, around)
    axes = zip(x.shape[2:], kernel_size, geometry.stride, geometry.dilation, strict=True)
    results = tuple((length - d * (k - 1) - 1) // s + 1 for length, k, s, d in axes)
    if any(isinstance(n, int) and n < 1 for n in results):
        raise RuntimeError(
            f"kernel size can't be greater than the padded input, got {tuple(kernel_size)} "
            f"for {tuple(x.shape[2:])}"
        )
    seen = [
        _seen_by(tap, x, results, geometry).flatten(2) for tap in product(*map(range, kernel_size))
    ]
    return seen[0][:, :, None] if len(seen) == 1 else torch.stack(seen, 2), results


def _seen_by(tap: Sequence[int], x: Tensor, results: Sequence[int], geometry: Geometry) -> Tensor:
    axes = zip(tap, results, geometry.stride, geometry.dilation, strict=True)
    parts = [slice(j * d, j * d + (n - 1) * s + 1, s) for j, n, s, d in axes]
    return x[(slice(None), slice(None), *parts)]
