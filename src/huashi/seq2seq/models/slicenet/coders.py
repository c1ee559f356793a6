r"""SliceNet: an encoder and a decoder of separable convolutions (Kaiser 2017, arXiv 1706.03059).

The encoder is a stack of convolution modules over embeddings and a timing signal. The decoder
attends to its memory once before its stack and after each module of it:

.. math:: x_0 = \operatorname{ConvStep}([\operatorname{attend}(y); y]), \qquad
    x_{l+1} = m_l(x_l) + \operatorname{attend}_l(m_l(x_l))

for embedded targets y and modules m; :mod:`huashi.seq2seq.models.slicenet.modules` says what they
are. The alignment is the mean of all attentions (and heads). Both sides drop features at the end of
the stack alone, and whole symbols of what they read.

Where we differ from tensor2tensor: a dropped symbol stays a real position of the source (there it
counts as padding, which it looks like), the first symbol of a target is its BOS and not the task's
embedding, and the timing signal is the paper's, with as many sinusoids as features. A memory of
another size than the decoder's goes through a linear layer. The authors train with Adam (0.85,
0.997) and a label smoothing of 0.1.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from huashi._checks import check_choice, check_positive
from huashi._dropout import Dropout
from huashi._field_docs import with_field_docs
from huashi.convolution.separable import ConvStep, check_groups
from huashi.seq2seq.model.built_from import built_from
from huashi.seq2seq.model.protocol import Memory, real_positions
from huashi.seq2seq.models.slicenet.modules import (
    DILATION_SCHEMES,
    KERNEL_SCHEMES,
    AttendingState,
    ConvModule,
    Frames,
    Symbols,
    TimedAttention,
    separabilities,
)
from huashi.seq2seq.models.transformer.positions import normal_embedding, sinusoids

KernelScheme = Literal["3.3.3.3", "3.7.7.7", "3.7.15.15", "3.7.15.31", "3.7.15.31.63"]
DilationScheme = Literal["1.1.1.1", "1.1.1.1.1", "1.1.1.2", "1.1.2.4", "1.2.4.8"]
MERGE_GROUPS = 4  # separability of the step that joins targets and attention


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class SliceNetEncoderShape:
    """A stack of separable convolutions, where a source position sees its neighbours; :meth:`build`
    makes the module.
    """

    embedding_size: int = 768
    """Features of a token, of a layer, and of the memory."""
    layers: int = 6
    """Convolution modules; the authors take 1.5 times as many as in the decoder."""
    kernel_scheme: KernelScheme = "3.7.15.31"
    """Kernel sizes of the steps of a module."""
    dilation_scheme: DilationScheme = "1.1.1.1"
    """Their dilations; as many numbers."""
    separability: int = -2
    """0 for separable convolutions, s > 0 for sub-separable and s < 0 for super-separable ones."""
    dropout: float = 0.5
    """Probability of dropping a feature at the end of the stack."""
    symbol_dropout: float = 0.2
    """Probability of dropping a token, all its features."""

    def __post_init__(self) -> None:
        _check(self)

    def embed(self, vocabulary_size: int) -> nn.Embedding:
        """The table of embeddings that :meth:`build` takes, drawn anew."""
        return normal_embedding(vocabulary_size, self.embedding_size)

    def build(self, embedding: nn.Embedding) -> "SliceNetEncoder":
        """An encoder of this shape with weights drawn anew."""
        return SliceNetEncoder(self, embedding)


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class SliceNetDecoderShape:
    """A causal stack of separable convolutions that attends to the source after each module;
    :meth:`build` makes the module.
    """

    embedding_size: int = 768
    """Features of a token and of a layer, a multiple of 4."""
    layers: int = 4
    """Convolution modules."""
    kernel_scheme: KernelScheme = "3.7.15.31"
    """Kernel sizes of the steps of a module."""
    dilation_scheme: DilationScheme = "1.1.1.1"
    """Their dilations; as many numbers."""
    separability: int = -2
    """0 for separable convolutions, s > 0 for sub-separable and s < 0 for super-separable ones."""
    attention: Literal["inner_product", "multi_head"] = "inner_product"
    """The paper's attention, or that of tensor2tensor, with self-attention before it."""
    heads: int = 8
    """Heads of multi-head attention."""
    dropout: float = 0.5
    """Probability of dropping a feature at the end of the stack."""
    symbol_dropout: float = 0.2
    """Probability of dropping a token, all its features."""

    def __post_init__(self) -> None:
        _check(self)
        check_groups("embedding_size", self.embedding_size, MERGE_GROUPS)
        check_choice("attention", self.attention, ("inner_product", "multi_head"))
        check_positive("heads", self.heads)

    def embed(self, vocabulary_size: int) -> nn.Embedding:
        """The table of embeddings that :meth:`build` takes, drawn anew."""
        return normal_embedding(vocabulary_size, self.embedding_size)

    def build(self, embedding: nn.Embedding, memory_size: int) -> "SliceNetDecoder":
        """A decoder of this shape with weights drawn anew, for a memory of so many features."""
        return SliceNetDecoder(self, embedding, memory_size)


class State(NamedTuple):
    """What the decoder knows between two steps; one row a hypothesis."""

    attentions: tuple[AttendingState, ...]
    """That before the stack, and that of each layer."""
    merge: Tensor
    """The last frames of the step that joins targets and attention, (rows, 2, 2 * features)."""
    layers: tuple[Frames, ...]
    tokens: Tensor
    """What was read, (rows, target); its width is the next position."""
    alignment: Tensor
    """Attention weights of the tokens of the last call, (rows, tokens, source)."""


@built_from(SliceNetEncoderShape)
class SliceNetEncoder(nn.Module):
    """Convolution modules over the embedded source: token ids, (batch, source), to a memory.

    Args:
        shape: sizes and settings.
        embedding: the table of tokens, as of ``shape.embed(vocabulary_size)``.
    """

    def __init__(self, shape: SliceNetEncoderShape, embedding: nn.Embedding) -> None:
        super().__init__()
        self.size = shape.embedding_size
        self.symbols = Symbols(embedding, shape.symbol_dropout)
        self.layers = nn.ModuleList(_module(shape, "same") for _ in range(shape.layers))
        self.dropout = Dropout(shape.dropout)

    def forward(self, source: Tensor, lengths: Tensor) -> Memory:
        """Encode.

        Args:
            source: token ids, (batch, source).
            lengths: true lengths, (batch,); what lies beyond them changes nothing.

        Returns:
            States (batch, source, embedding), zero beyond the length, as keys and as values.
        """
        mask = real_positions(lengths, source.shape[1], source.device)
        x = self.symbols(source)
        x = x + sinusoids("sinusoidal", 0, source.shape[1], self.size, like=x)
        for layer in self.layers:
            x = layer(x, mask[..., None])
        x = self.dropout(x)
        return Memory(x, x, mask, source=source)


@built_from(SliceNetDecoderShape)
class SliceNetDecoder(nn.Module):
    """Causal convolution modules over the embedded target, each followed by attention.

    Args:
        shape: sizes and settings.
        embedding: the table of tokens, as of ``shape.embed(vocabulary_size)``.
        memory_size: features of the memory.
    """

    attentions: Any  # modules that have ``start`` too
    layers: Any

    def __init__(
        self, shape: SliceNetDecoderShape, embedding: nn.Embedding, memory_size: int
    ) -> None:
        super().__init__()
        size = shape.embedding_size
        self.size = size
        self.symbols = Symbols(embedding, shape.symbol_dropout)
        self.source = nn.Identity() if memory_size == size else nn.Linear(memory_size, size)
        self.attentions = nn.ModuleList(
            TimedAttention(size, shape.separability, shape.attention, shape.heads)
            for _ in range(shape.layers + 1)
        )
        self.merge = ConvStep(2 * size, size, 3, separability=MERGE_GROUPS, padding="valid")
        self.layers = nn.ModuleList(_module(shape, "valid") for _ in range(shape.layers))
        self.dropout = Dropout(shape.dropout)

    def head(self, vocabulary_size: int) -> nn.Linear:
        """The layer from features to logits."""
        return nn.Linear(self.size, vocabulary_size)

    def start(self, memory: Memory) -> State:
        """The state before the first step: nothing was read, and frames are zero."""
        keys = self.source(memory.keys)
        values = keys if memory.values is memory.keys else self.source(memory.values)
        memory = memory._replace(keys=keys, values=values)
        return State(
            tuple(attention.start(memory) for attention in self.attentions),
            self.merge.start(keys),
            tuple(layer.start(keys) for layer in self.layers),
            torch.zeros(len(keys), 0, dtype=torch.long, device=keys.device),
            torch.zeros_like(keys[:, None, :, 0]),
        )

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Read ``tokens``, (batch, target); return features (batch, target, size)."""
        y = self.symbols(tokens)
        tokens = torch.cat([state.tokens, tokens], 1)
        timing = sinusoids("sinusoidal", state.tokens.shape[1], tokens.shape[1], self.size, like=y)
        found, weights, first = self.attentions[0](y, timing, state.attentions[0])
        x, merge = self.merge.resume(torch.cat([found, y], -1), state.merge)
        attentions, layers, alignments = [first], [], [weights]
        for n, (layer, attend) in enumerate(zip(self.layers, self.attentions[1:], strict=True)):
            x, frames = layer.resume(x, state.layers[n])
            found, weights, known = attend(x, timing, state.attentions[n + 1])
            x = x + found
            attentions.append(known)
            layers.append(frames)
            alignments.append(weights)
        alignment = torch.stack(alignments).mean(0)
        return self.dropout(x), State(tuple(attentions), merge, tuple(layers), tokens, alignment)


def _module(
    shape: SliceNetEncoderShape | SliceNetDecoderShape, padding: Literal["same", "valid"]
) -> nn.Module:
    kernels, dilations = (
        KERNEL_SCHEMES[shape.kernel_scheme],
        DILATION_SCHEMES[shape.dilation_scheme],
    )
    return ConvModule(shape.embedding_size, kernels, dilations, shape.separability, padding)


def _check(shape: SliceNetEncoderShape | SliceNetDecoderShape) -> None:
    check_positive("embedding_size", shape.embedding_size)
    check_positive("layers", shape.layers)
    check_choice("kernel_scheme", shape.kernel_scheme, KERNEL_SCHEMES)
    check_choice("dilation_scheme", shape.dilation_scheme, DILATION_SCHEMES)
    steps = len(KERNEL_SCHEMES[shape.kernel_scheme])
    if len(DILATION_SCHEMES[shape.dilation_scheme]) != steps:
        raise ValueError(
            f"dilation_scheme must have as many numbers as kernel_scheme, got "
            f"{shape.dilation_scheme!r} for {shape.kernel_scheme!r}"
        )
    if shape.embedding_size % 2:
        raise ValueError(f"embedding_size must be even, got {shape.embedding_size}")
    for s in separabilities(shape.separability, max(2, steps - 2)):
        check_groups("embedding_size", shape.embedding_size, s)
    for name in ("dropout", "symbol_dropout"):
        if not 0 <= getattr(shape, name) < 1:
            raise ValueError(f"{name} must be in [0, 1), got {getattr(shape, name)}")
