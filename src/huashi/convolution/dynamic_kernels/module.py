r"""Convolutions of which each sample has its own kernel, a mixture of a few fixed ones.

.. math:: y = \Bigl(\sum_{k=1}^{K} r_k(x) W_k\Bigr) * x + \sum_k r_k(x) b_k, \quad
    r(x) = \sigma(\mathrm{FC}(\operatorname{mean} x)) \text{ or }
    \operatorname{softmax}(\mathrm{FC}(\operatorname{ReLU}(\mathrm{FC}(\operatorname{mean} x)))
    / \tau)
"""

import math
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from huashi._checks import check_choice, check_count, check_floating
from huashi.convolution.dynamic_kernels.choice import chosen
from huashi.convolution.dynamic_kernels.router import (
    Annealing,
    Granularity,
    Router,
    Routing,
    annealing_of,
    check_values,
    sets_of,
)
from huashi.convolution.dynamic_kernels.strategies import STRATEGIES, Geometry, Strategy
from huashi.convolution.module import ConvModule
from huashi.convolution.padding import Padding, PaddingMode, Size, numbers_of, pad
from huashi.pooling.dimensions import memory_format_of


class DynamicKernelConv(ConvModule):
    r"""A convolution with another kernel for each sample, mixed from ``kernels`` fixed ones.

    Coefficients come from the mean of each channel over the positions, so that the layer costs
    little more than one convolution and has the weights of several. As it stands with its defaults
    it is CondConv; :meth:`condconv`, :meth:`dynamic` and :meth:`dynet` have what each paper has.

    Which way computes it is chosen by size, as measured (``benchmarks/dynamic_kernels.py``), and
    makes no difference but in time. In an exported program, whose sizes may be unknown, it is
    ``one_kernel`` for a batch that is known to be of 1, else ``products``.

    With ``softmax`` the temperature begins at 30, where all kernels count nearly alike, and has to
    be driven by the training: ``layer.set_progress(fraction)``, or for a whole model
    :func:`~huashi.convolution.set_routing_progress`. It is saved in the state.

    Args:
        in_channels: of the input, (batch, in_channels, *lengths) or one sample without batch.
        out_channels: of the result.
        kernel_size: taps.
        stride: from one result to the next.
        padding: as of :class:`~huashi.convolution.padding.Padding`.
        dilation: from one tap to the next.
        groups: into which the channels are divided; no result sees another group than its own.
        bias: whether each kernel has one; biases are mixed as kernels are.
        padding_mode: ``zeros``, ``reflect``, ``replicate`` or ``circular``.
        device: of the parameters.
        dtype: of the parameters.
        kernels: how many are mixed, K.
        routing: ``sigmoid`` weighs each kernel alone, ``softmax`` all of them to a sum of 1.
        granularity: ``layer`` has one coefficient for a whole kernel, ``out_channel`` one for each
            output channel of it.
        coefficient_groups: with ``out_channel``, into so many groups the output channels are
            divided, each with its own coefficients; by default each channel has its own.
        reduction: coefficients go through a hidden layer of ``in_channels / reduction`` features
            with ReLU; None for a single linear layer.
        temperature: of ``softmax``, at the beginning and at the end of the annealing; (30, 1) by
            default.
        strategy: ``auto``, or what always computes it: ``one_kernel`` (a batch of 1), ``grouped``
            and ``products`` (a mixed kernel for each sample, by one grouped convolution or by
            products of matrices), or ``mixed_outputs`` (all kernels convolve, results are mixed).

    Raises:
        ValueError: a number is out of its range, or ``groups`` or ``coefficient_groups`` does not
            divide the channels.

    Attributes:
        weight: (kernels, all numbers of one), flat, since ``model.to(memory_format=...)`` fails on
            parameters of five dimensions; :attr:`fixed_kernels` has the shape of kernels.
        bias: (kernels, out_channels) or None.

    Yang, Bender, Le, Ngiam: CondConv: Conditionally Parameterized Convolutions for Efficient
    Inference (2019), https://arxiv.org/abs/1904.04971, which has EfficientNet-B0 at 78.3 % on
    ImageNet with 413 M multiply-adds. Chen, Dai, Liu, Chen, Yuan, Liu: Dynamic Convolution:
    Attention over Convolution Kernels (2020), https://arxiv.org/abs/1912.03458. Zhang, Zhang, Liu,
    Gong, Wang, Wang: DyNet: Dynamic Convolution for Accelerating Convolutional Neural Networks
    (2020), https://arxiv.org/abs/2004.10694, which has 54.7 % less of MobileNetV2's operations.
    None of these is reproduced here.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        kernels: int = 8,
        routing: Routing = "sigmoid",
        granularity: Granularity = "layer",
        coefficient_groups: int | None = None,
        reduction: int | None = None,
        temperature: Annealing | None = None,
        strategy: Strategy | Literal["auto"] = "auto",
    ) -> None:
        geometry = kernel_size, stride, padding, dilation, groups, padding_mode
        super().__init__(in_channels, out_channels, *geometry)
        check_count("kernels", kernels)
        check_choice("routing", routing, ("sigmoid", "softmax"))
        check_choice("strategy", strategy, ("auto", *STRATEGIES))
        if reduction is not None:
            check_count("reduction", reduction)
        self.kernels = kernels
        self.routing: Routing = routing
        self.coefficient_groups = sets_of(granularity, coefficient_groups, out_channels)
        self.strategy: Strategy | Literal["auto"] = strategy
        made = {"device": device, "dtype": dtype}
        self.router = Router(
            in_channels,
            kernels,
            self.coefficient_groups,
            routing,
            reduction,
            annealing_of(routing, temperature),
            **made,
        )
        self.kernel_shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = nn.Parameter(torch.empty(kernels, math.prod(self.kernel_shape), **made))
        self.bias = nn.Parameter(torch.empty(kernels, out_channels, **made)) if bias else None
        self.reset_kernels()

    @classmethod
    def condconv(cls, *geometry: Any, kernels: int = 8, **options: Any) -> Self:
        """As in CondConv: eight kernels, a sigmoid of one linear layer.

        Args:
            geometry: ``in_channels``, ``out_channels``, ``kernel_size`` and so on.
            kernels: how many are mixed.
            options: the others of the class.
        """
        return cls(*geometry, kernels=kernels, **options)

    @classmethod
    def dynamic(
        cls, *geometry: Any, kernels: int = 4, reduction: int | None = 4, **options: Any
    ) -> Self:
        """As in Dynamic Convolution: four kernels, a hidden layer, a softmax that is annealed.

        Args:
            geometry: ``in_channels``, ``out_channels``, ``kernel_size`` and so on.
            kernels: how many are mixed.
            reduction: the hidden layer has ``in_channels / reduction`` features.
            options: the others of the class.
        """
        options = {"routing": "softmax", "reduction": reduction, **options}
        return cls(*geometry, kernels=kernels, **options)

    @classmethod
    def dynet(cls, *geometry: Any, kernels: int = 6, **options: Any) -> Self:
        """As in DyNet: six kernels, coefficients of their own for each output channel.

        Which function makes coefficients of the linear layer's numbers is unverified: here it is a
        sigmoid. The number of kernels is unverified too.

        Args:
            geometry: ``in_channels``, ``out_channels``, ``kernel_size`` and so on.
            kernels: how many are mixed, g of the paper.
            options: the others of the class.
        """
        return cls(*geometry, kernels=kernels, **{"granularity": "out_channel", **options})

    @property
    def fixed_kernels(self) -> Tensor:
        """(kernels, out_channels, in_channels / groups, *kernel_size)."""
        return self.weight.unflatten(1, self.kernel_shape)

    def reset_kernels(self) -> None:
        """Begin anew, each kernel as the one of ``nn.Conv1d``, ``nn.Conv2d`` or ``nn.Conv3d``."""
        for kernel in self.fixed_kernels.detach():
            nn.init.kaiming_uniform_(kernel, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(math.prod(self.kernel_shape[1:]))
            nn.init.uniform_(self.bias, -bound, bound)

    def set_progress(self, fraction: float) -> None:
        """Take the temperature of this fraction of the annealing, from 0 to 1.

        Raises:
            ValueError: the fraction is not in [0, 1], or the routing has no temperature.

        >>> layer = DynamicKernelConv2d.dynamic(4, 4, 3)
        >>> layer.set_progress(0.1)
        >>> layer.router.temperature
        tensor(27.1000)
        """
        self.router.set_progress(fraction)

    def route(self, x: Tensor) -> Tensor:
        """Coefficients for a batch, (batch, kernels), by channel (batch, kernels, groups)."""
        coefficients = self.router(x)
        return coefficients[..., 0] if self.coefficient_groups == 1 else coefficients

    def forward(self, x: Tensor, routing: Tensor | None = None) -> Tensor:
        """Convolve each sample with its kernel.

        Args:
            x: (batch, in_channels, *lengths), or without batch.
            routing: coefficients to take instead of the layer's own, (batch, kernels), or with
                ``coefficient_groups`` > 1 (batch, kernels, coefficient_groups). On the CPU, outside
                of compiled and exported programs, it is checked that they are what the routing
                gives: in [0, 1], and with a softmax of sum 1.

        Raises:
            TypeError: a tensor is not of floating point.
            ValueError: the shapes do not fit, or the routing is none.
        """
        check_floating("x", x)
        batch = self.batch_of(x)
        coefficients = self.router(batch) if routing is None else self._given(routing, len(batch))
        y = self._convolved(batch, coefficients.to(self.weight.dtype))
        return y if x.ndim == batch.ndim else y.squeeze(0)

    def _convolved(self, x: Tensor, coefficients: Tensor) -> Tensor:
        padding = self._padding_of_torch()
        memory = memory_format_of(x, self.dims)
        if padding is None:
            window = self.kernel_size, self.stride, self.sides, self.dilation
            x, padding = pad(x, *window, self.padding_mode), (0,) * self.dims
        geometry = Geometry(self.stride, padding, self.dilation, self.groups)
        weight = self.fixed_kernels
        name = chosen(x, weight, geometry) if self.strategy == "auto" else self.strategy
        y = STRATEGIES[name](x, weight, self.bias, coefficients, geometry)
        return y if memory == torch.contiguous_format else y.contiguous(memory_format=memory)

    def _padding_of_torch(self) -> tuple[int, ...] | None:
        """Zeros on both sides alike, which torch's convolutions add; None for another padding."""
        lengthless = [side for side, s in zip(self.sides, self.stride, strict=True) if s > 1]
        if any(isinstance(side, str) for side in lengthless):
            return None
        window = self.kernel_size, self.stride, self.sides, self.dilation
        numbers = numbers_of((1,) * self.dims, *window)
        if any(before != after for before, after in numbers):
            return None
        padding = tuple(before for before, _ in numbers)
        return padding if self.padding_mode == "zeros" or not any(padding) else None

    def _given(self, routing: Tensor, batch: int) -> Tensor:
        """Coefficients (batch, kernels, sets) of the user's own."""
        check_floating("routing", routing)
        sets = self.coefficient_groups
        shape = (batch, self.kernels) if sets == 1 else (batch, self.kernels, sets)
        if routing.shape != shape:
            raise ValueError(f"routing must have shape {shape}, got {tuple(routing.shape)}")
        check_values(routing.detach(), self.routing)
        return routing[..., None] if sets == 1 else routing

    def shown(self) -> dict[str, Any]:
        sets, strategy = self.coefficient_groups, self.strategy
        return {
            "kernels": self.kernels,
            "routing": self.routing,
            "coefficient_groups": sets if sets > 1 else None,
            "strategy": None if strategy == "auto" else strategy,
        }


class DynamicKernelConv1d(DynamicKernelConv):  # noqa: D101  (that of the base)
    dims = 1


class DynamicKernelConv2d(DynamicKernelConv):  # noqa: D101  (that of the base)
    dims = 2


class DynamicKernelConv3d(DynamicKernelConv):  # noqa: D101  (that of the base)
    dims = 3
