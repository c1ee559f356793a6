r"""What SliceNet is built of: modules of separable convolutions, and attention to the source.

A convolution module is two stacks of :class:`ConvStep` and two residual sums,

.. math:: y = \operatorname{steps}_1(x), \qquad x' = x + y + \operatorname{steps}_2(x + y),

its attention two steps more on the targets and a timing signal, then attention (see
:class:`TimedAttention`). In a decoder a step keeps the last frames it saw, so a target can be read
token by token.

Kaiser, Gomez, Chollet (2017), https://arxiv.org/abs/1706.03059
"""

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from huashi.convolution.separable import NORM_EPSILON, ConvStep, Padding
from huashi.seq2seq.attention import Attention, AttentionShape, MultiHeadAttention
from huashi.seq2seq.model.protocol import Memory

KERNEL_SCHEMES = {
    name: tuple(map(int, name.split(".")))
    for name in ("3.3.3.3", "3.7.7.7", "3.7.15.15", "3.7.15.31", "3.7.15.31.63")
}
DILATION_SCHEMES = {
    name: tuple(map(int, name.split(".")))
    for name in ("1.1.1.1", "1.1.1.1.1", "1.1.1.2", "1.1.2.4", "1.2.4.8")
}
Frames = tuple[Tensor, ...]
"""For each step the last frames it saw, each (rows, reach, features)."""


class Symbols(nn.Module):
    r"""Embeddings of tokens times :math:`\sqrt d`, of unit variance; in training some are zero.

    A symbol is dropped as a whole, and the others are not scaled up for it.
    """

    def __init__(self, embedding: nn.Embedding, dropout: float) -> None:
        super().__init__()
        self.embedding = embedding
        self.dropout = dropout

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) * self.embedding.embedding_dim**0.5
        if self.training and self.dropout:
            x = x * (torch.rand_like(x[..., :1]) >= self.dropout)
        return x

    def extra_repr(self) -> str:
        return f"dropout={self.dropout}"


class ConvModule(nn.Module):
    """Two stacks of steps and their residual sums, (batch, time, size) -> the same.

    Args:
        size: features of a frame.
        kernels: taps of each step; the first two steps are the first stack.
        dilations: frames between the taps of each step.
        separability: that of most steps; see :func:`separabilities`.
        padding: ``same``, or ``valid`` for :meth:`resume`.
    """

    def __init__(
        self,
        size: int,
        kernels: tuple[int, ...],
        dilations: tuple[int, ...],
        separability: int,
        padding: Padding,
    ) -> None:
        super().__init__()
        groups = separabilities(separability, 2) + separabilities(separability, len(kernels) - 2)
        self.steps = nn.ModuleList(
            ConvStep(size, size, kernel, separability=s, dilation=dilation, padding=padding)
            for kernel, dilation, s in zip(kernels, dilations, groups, strict=True)
        )

    def start(self, like: Tensor) -> Frames:
        return start_steps(self.steps, like)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``mask``, (batch, time, 1), is False at frames that count as zero and stay so."""
        y = x
        for step in self.steps[:2]:
            y = step(y, mask)
        x = y = x + y
        for step in self.steps[2:]:
            y = step(y, mask)
        return (x + y) * mask

    def resume(self, x: Tensor, frames: Frames) -> tuple[Tensor, Frames]:
        y, first = resume_steps(self.steps[:2], x, frames[:2])
        x = x + y
        y, second = resume_steps(self.steps[2:], x, frames[2:])
        return x + y, first + second


class AttendingState(NamedTuple):
    """What one attention knows between two steps; one row a hypothesis."""

    frames: Frames
    attention: Any


class TimedAttention(nn.Module):
    r"""Attention of the targets to the source, (rows, target, size) -> the same.

    .. math:: q = \operatorname{ConvStep}_{5, d=4}(\operatorname{ConvStep}_{5, d=1}(x +
        \operatorname{timing}))

    ``inner_product`` is the paper's: :math:`\operatorname{LayerNorm}(x + \operatorname{softmax}(q
    s^\top / \sqrt d) s)` for a source s; the norm of the sum is tensor2tensor's. ``multi_head``
    is what tensor2tensor came to use: self-attention of the q, then attention to the source, both
    of many heads.
    """

    def __init__(
        self,
        size: int,
        separability: int,
        attention: Literal["inner_product", "multi_head"],
        heads: int,
    ) -> None:
        super().__init__()
        self.steps = nn.ModuleList(
            ConvStep(size, size, 5, separability=s, dilation=dilation, padding="valid")
            for dilation, s in zip((1, 4), separabilities(separability, 2), strict=True)
        )
        self.norm = None
        if attention == "inner_product":
            self.attention = Attention(AttentionShape(score="scaled_dot"), size, size)
            self.norm = nn.LayerNorm(size, eps=NORM_EPSILON)
        else:
            self.attention = HeadsOfBoth(size, heads)

    def start(self, memory: Memory) -> AttendingState:
        return AttendingState(start_steps(self.steps, memory.keys), self.attention.start(memory))

    def forward(
        self, x: Tensor, timing: Tensor, state: AttendingState
    ) -> tuple[Tensor, Tensor, AttendingState]:
        """Return what was found, the weights (rows, tokens, source), and the next state."""
        query, frames = resume_steps(self.steps, x + timing, state.frames)
        context, weights, attention = self.attention(query, state.attention)
        if self.norm is not None:
            context = self.norm(x + context)
        return context, weights, AttendingState(frames, attention)


class HeadsState(NamedTuple):
    """Projections of all targets so far and of the source, (rows, heads, time, head)."""

    target_keys: Tensor
    target_values: Tensor
    source_keys: Tensor
    source_values: Tensor
    mask: Tensor
    """True at real positions of the source, (rows, source)."""


class HeadsOfBoth(nn.Module):
    """Multi-head attention to the targets so far, then to the source, nothing between."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.to_target = MultiHeadAttention(size, heads)
        self.to_source = MultiHeadAttention(size, heads)

    def start(self, memory: Memory) -> HeadsState:
        source = self.to_source.project(memory.keys, memory.values)
        nothing = source[0][:, :, :0].detach()
        return HeadsState(nothing, nothing, *source, memory.mask)

    def forward(self, query: Tensor, state: HeadsState) -> tuple[Tensor, Tensor, HeadsState]:
        keys, values = self.to_target.project(query)
        keys = torch.cat([state.target_keys, keys], 2)
        values = torch.cat([state.target_values, values], 2)
        past = keys.shape[2] - query.shape[1]
        earlier = torch.ones(query.shape[1], keys.shape[2], dtype=torch.bool, device=query.device)
        query, _ = self.to_target(query, keys, values, earlier.tril(past), need_weights=False)
        context, weights = self.to_source(
            query, state.source_keys, state.source_values, state.mask[:, None, None]
        )
        state = state._replace(target_keys=keys, target_values=values)
        return context, weights.mean(1), state


def separabilities(separability: int, steps: int) -> list[int]:
    """Those of ``steps`` steps; super-separable ones differ, so that all groups mix.

    >>> separabilities(-2, 3), separabilities(0, 3)
    ([-4, -3, -2], [0, 0, 0])
    """
    return [separability - n * (separability < 0) for n in reversed(range(steps))]


def start_steps(steps: Any, like: Tensor) -> Frames:
    """Nothing before the first frame, for each step and each row of ``like``."""
    return tuple(step.start(like) for step in steps)


def resume_steps(steps: Any, x: Tensor, frames: Frames) -> tuple[Tensor, Frames]:
    """One step after the other, each going on after the frames that it saw last."""
    kept = []
    for step, known in zip(steps, frames, strict=True):
        x, known = step.resume(x, known)
        kept.append(known)
    return x, tuple(kept)
