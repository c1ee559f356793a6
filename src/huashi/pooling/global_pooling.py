"""Global pools: what each channel has to say over all its positions, whatever their number.

``(batch, channel, L...)`` to ``(batch, channel)``, for one to three dimensions L. Each is the pool
over windows with one window, as large as the input, so that the kernels of those serve here too.
What ``mask`` or ``lengths`` leave out is absent: the result is that of the trimmed sample.

:func:`gap_head` and :func:`fc_head` are the two classifiers that Lin, Chen and Yan compare in
Network in Network, 2013: the mean of one map per class, or layers that see every position.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from huashi._checks import check_choice, check_positive
from huashi.pooling import functional, reference


def global_max_pool(
    x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
) -> Tensor:
    """The largest element of each channel; the first of equals gets the gradient.

    Args:
        x: (batch, channel, L...), one to three dimensions L, floating-point or integer.
        mask: True where an element is real, bool, broadcastable to ``x``.
        lengths: in one dimension, how many elements of each sample are real, (batch,), integers.

    Returns:
        (batch, channel), in the dtype of ``x``; -inf where nothing is real.

    Raises:
        ValueError: an argument has the wrong shape.
        TypeError: an argument is of the wrong kind.

    >>> global_max_pool(torch.tensor([[[1.0, 5.0, 9.0]]]), lengths=torch.tensor([2]))
    tensor([[5.]])
    """
    return _over_all(functional.max_pool, x, mask=mask, lengths=lengths)


def global_min_pool(
    x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
) -> Tensor:
    """The smallest element of each channel. Takes what :func:`global_max_pool` takes.

    >>> global_min_pool(torch.tensor([[[[1.0, 5.0], [0.0, 9.0]]]]))
    tensor([[0.]])
    """
    return _over_all(functional.min_pool, x, mask=mask, lengths=lengths)


def global_avg_pool(
    x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
) -> Tensor:
    """The mean of each channel's real elements; 0 where there are none.

    Takes what :func:`global_max_pool` takes (Lin, Chen, Yan: Network in Network, 2013).

    >>> global_avg_pool(torch.tensor([[[1.0, 5.0, 9.0]]]), lengths=torch.tensor([2]))
    tensor([[3.]])
    """
    options = {"count_include_pad": False, "mask": mask, "lengths": lengths}
    return _over_all(functional.avg_pool, x, **options)


def global_lp_pool(
    x: Tensor,
    norm_type: float,
    *,
    reduction: str = "sum",
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """``(sum |x|^p)^(1/p)`` of each channel, or the mean inside the root.

    Takes what :func:`global_max_pool` takes, and ``norm_type`` and ``reduction`` as
    :func:`lp_pool2d` does.

    >>> global_lp_pool(torch.tensor([[[3.0, -4.0]]]), 2)
    tensor([[5.]])
    """
    options = {"reduction": reduction, "mask": mask, "lengths": lengths}
    return _over_all(functional.lp_pool, x, norm_type=norm_type, **options)


def global_gem_pool(
    x: Tensor,
    p: Tensor | float = 3.0,
    eps: float = 1e-6,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The generalised mean ``mean(max(x, eps)^p)^(1/p)`` of each channel.

    Takes what :func:`global_max_pool` takes, and ``p`` and ``eps`` as :func:`gem_pool2d` does
    (Radenovic, Tolias, Chum: Fine-tuning CNN Image Retrieval with No Human Annotation, 2019).

    >>> global_gem_pool(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]))
    tensor([[2.9240]])
    """
    return _over_all(functional.gem_pool, x, p=p, eps=eps, mask=mask, lengths=lengths)


def global_log_sum_exp_pool(
    x: Tensor,
    r: Tensor | float,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """``log(mean(exp(r x))) / r`` of each channel, from its mean to its maximum as r grows.

    Takes what :func:`global_max_pool` takes, and ``r`` as :func:`log_sum_exp_pool2d` does (Pinheiro
    and Collobert: From Image-level to Pixel-level Labeling with Convolutional Networks, 2015).

    >>> global_log_sum_exp_pool(torch.tensor([[[0.0, 90.0]]]), 1.0)
    tensor([[89.3069]])
    """
    return _over_all(functional.log_sum_exp_pool, x, r=r, mask=mask, lengths=lengths)


def global_soft_pool(
    x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
) -> Tensor:
    """``sum softmax(x)_i x_i`` of each channel. Takes what :func:`global_max_pool` takes.

    >>> global_soft_pool(torch.tensor([[[0.0, 100.0]]]))
    tensor([[100.]])
    """
    return _over_all(functional.soft_pool, x, mask=mask, lengths=lengths)


def global_attention_pool(
    x: Tensor,
    weight: Tensor,
    *,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """The mean of the positions, each with the softmax of its score as weight.

    The score of position i is ``weight . x_i``, a 1x1 convolution to one map; a bias would change
    no softmax. A weight of 0 gives :func:`global_avg_pool`. Takes what :func:`global_max_pool`
    takes, ``mask`` with 1 for the channels, and:

    Args:
        weight: (channel,); differentiable.

    >>> x = torch.tensor([[[1.0, 3.0], [0.0, 100.0]]])  # positions (1, 0) and (3, 100)
    >>> global_attention_pool(x, torch.tensor([0.0, 1.0]))
    tensor([[  3., 100.]])
    """
    positions, real = _positions(x, mask, lengths)
    if weight.shape != x.shape[1:2]:
        raise ValueError(
            f"weight must have shape ({x.shape[1]},), one for each channel of x, got "
            f"{tuple(weight.shape)}"
        )
    scores = torch.einsum("bcl,c->bl", positions, weight.to(positions))
    share = reference.softmax(scores, real)
    return torch.einsum("bcl,bl->bc", positions, share).to(x.dtype)


def global_covariance_pool(
    x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
) -> Tensor:
    """How the channels vary together over the positions: their covariance matrix.

    Divided by the number of positions n, as by Li, Xie, Wang, Zuo: Is Second-order Information
    Helpful for Large-scale Visual Recognition? 2017. Takes what :func:`global_max_pool` takes,
    ``mask`` with 1 for the channels.

    Returns:
        (batch, channel, channel), symmetric, in the dtype of ``x``; 0 where nothing is real.

    >>> global_covariance_pool(torch.tensor([[[1.0, 3.0], [5.0, 1.0]]]))
    tensor([[[ 1., -2.],
             [-2.,  4.]]])
    """
    positions, real = _positions(x, mask, lengths)
    real = real[:, None]
    count = real.sum(-1, keepdim=True).clamp(min=1)
    mean = positions.sum(-1, keepdim=True) / count
    centred = torch.where(real, positions - mean, 0)
    return (centred @ centred.mT / count).to(x.dtype)


def gap_head(channels: int, classes: int, dims: int = 2) -> nn.Sequential:
    """Lin's classifier: a 1x1 convolution to one map per class, and the mean of each map.

    Beside :func:`fc_head`, which it replaces: no position has weights of its own, an input may have
    any size, and there are far fewer parameters to overfit with.

    Args:
        channels: of the features, (batch, channels, L...).
        classes: how many scores there are, (batch, classes).
        dims: of the features.

    >>> count = lambda head: sum(p.numel() for p in head.parameters())
    >>> count(gap_head(256, 1000))  # 256 * 1000 + 1000
    257000
    >>> count(fc_head(256, 6, 1000))  # 256 * 36 * 1000 + 1000
    9217000
    >>> count(fc_head(256, 6, 1000, hidden=(4096, 4096)))  # as in AlexNet
    58631144
    """
    if dims not in (1, 2, 3):
        raise ValueError(f"dims must be 1, 2 or 3, got {dims}")
    convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]
    return nn.Sequential(convolution(channels, classes, 1), GlobalAvgPool())


def fc_head(
    channels: int, size: int | Sequence[int], classes: int, *, hidden: Sequence[int] = ()
) -> nn.Sequential:
    """The classifier before Lin: all elements of all maps into fully connected layers.

    :func:`gap_head` shows the two side by side.

    Args:
        channels: of the features, (batch, channels, L...).
        size: of the features: the side of a square, or one number for each dimension.
        classes: how many scores there are, (batch, classes).
        hidden: units of the layers in between, each followed by a ReLU.

    >>> fc_head(16, (4, 5), 10)(torch.zeros(2, 16, 4, 5)).shape
    torch.Size([2, 10])
    """
    positions = math.prod(size) if isinstance(size, Sequence) else size**2
    units = [channels * positions, *hidden]
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in itertools.pairwise(units):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(units[-1], classes))


def _over_all(pool: Callable[..., Any], x: Tensor, **options: Any) -> Tensor:
    """A pool over windows, with one window."""
    dims = _dimensions(x)
    return pool(dims, x, kernel_size=list(x.shape[2:]), **options).flatten(1)


def _dimensions(x: Tensor) -> int:
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a tensor, got {type(x).__name__}")
    if x.ndim not in (3, 4, 5):
        raise ValueError(
            f"x must have shape (batch, channel, L...) with one to three L, got {tuple(x.shape)}"
        )
    return x.ndim - 2


def _positions(x: Tensor, mask: Tensor | None, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
    """(batch, channel, positions), 0 at absent ones and wide, and which are real, (batch, them)."""
    dims = _dimensions(x)
    functional.check_input(dims, x)
    real = functional.real_elements(dims, x, mask, lengths)
    wide = x.to(torch.promote_types(x.dtype, torch.float32)).flatten(2)
    if real is None:
        return wide, torch.ones((), dtype=torch.bool, device=x.device).expand(wide[:, 0].shape)
    if real.ndim > dims and real.shape[-dims - 1] != 1:
        raise ValueError(f"mask must have 1 for the channels, got {tuple(real.shape)}")
    real = real.expand(x.shape[0], 1, *x.shape[2:]).flatten(2)
    return torch.where(real, wide, 0), real[:, 0]


class GlobalPool(nn.Module):
    """What the global pools share."""

    pool: ClassVar[Callable[..., Tensor]]

    @property
    def options(self) -> dict[str, Any]:
        """What the function takes beside its input."""
        return {}

    def forward(
        self, x: Tensor, *, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        return self.pool(x, **self.options, mask=mask, lengths=lengths)


class GlobalMaxPool(GlobalPool):
    """:func:`~huashi.pooling.global_max_pool` as a module."""

    pool = staticmethod(global_max_pool)


class GlobalMinPool(GlobalPool):
    """:func:`~huashi.pooling.global_min_pool` as a module."""

    pool = staticmethod(global_min_pool)


class GlobalAvgPool(GlobalPool):
    """:func:`~huashi.pooling.global_avg_pool` as a module."""

    pool = staticmethod(global_avg_pool)


class GlobalLPPool(GlobalPool):
    """:func:`~huashi.pooling.global_lp_pool` as a module."""

    pool = staticmethod(global_lp_pool)

    def __init__(self, norm_type: float, *, reduction: str = "sum") -> None:
        super().__init__()
        check_positive("norm_type", norm_type)
        check_choice("reduction", reduction, ("sum", "mean"))
        self.norm_type = norm_type
        self.reduction = reduction

    @property
    def options(self) -> dict[str, Any]:
        return {"norm_type": self.norm_type, "reduction": self.reduction}

    def extra_repr(self) -> str:
        return f"norm_type={self.norm_type}, reduction={self.reduction}"


class GlobalGeMPool(GlobalPool):
    """:func:`~huashi.pooling.global_gem_pool` with a learned exponent."""

    pool = staticmethod(global_gem_pool)

    def __init__(self, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__()
        check_positive("p", p)
        check_positive("eps", eps)
        self.p = nn.Parameter(torch.tensor(float(p)))
        self.eps = eps

    @property
    def options(self) -> dict[str, Any]:
        return {"p": self.p, "eps": self.eps}


class GlobalLogSumExpPool(GlobalPool):
    """:func:`~huashi.pooling.global_log_sum_exp_pool` with a learned sharpness."""

    pool = staticmethod(global_log_sum_exp_pool)

    def __init__(self, r: float = 10.0) -> None:
        super().__init__()
        check_positive("r", r)
        self.r = nn.Parameter(torch.tensor(float(r)))

    @property
    def options(self) -> dict[str, Any]:
        return {"r": self.r}


class GlobalSoftPool(GlobalPool):
    """:func:`~huashi.pooling.global_soft_pool` as a module."""

    pool = staticmethod(global_soft_pool)


class GlobalAttentionPool(GlobalPool):
    """:func:`~huashi.pooling.global_attention_pool` with learned weights; at first the mean."""

    pool = staticmethod(global_attention_pool)

    def __init__(self, channels: int) -> None:
        super().__init__()
        check_positive("channels", channels)
        self.weight = nn.Parameter(torch.zeros(channels))

    @property
    def options(self) -> dict[str, Any]:
        return {"weight": self.weight}

    def extra_repr(self) -> str:
        return f"channels={self.weight.numel()}"


class GlobalCovariancePool(GlobalPool):
    """:func:`~huashi.pooling.global_covariance_pool` as a module."""

    pool = staticmethod(global_covariance_pool)
