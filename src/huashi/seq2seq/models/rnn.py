r"""Recurrent encoder-decoder with attention (Sutskever 2014, Bahdanau 2014, Luong 2015).

The encoder is bidirectional. The bridge makes the decoder's first hidden state from the encoder's
last ones: :math:`\tanh(W [\overrightarrow{h_S}; \overleftarrow{h_1}])`. The decoder attends

* ``after`` its recurrence (Luong): :math:`h_t = f(h_{t-1}, y_{t-1})`, the context from :math:`h_t`,
  then :math:`\tilde h_t = \tanh(W_c [c_t; h_t])`. With input feeding the next input is
  :math:`[y_t; \tilde h_t]`.
* ``before`` it (Bahdanau): the context from :math:`h_{t-1}` is part of the input,
  :math:`h_t = f(h_{t-1}, [y_{t-1}; c_t])`, and :math:`\tilde h_t = \tanh(W_c [c_t; h_t])` as well.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from huashi._checks import check_choice, check_positive
from huashi._dropout import Dropout
from huashi._field_docs import with_field_docs
from huashi.seq2seq.attention import AttentionShape, AttentionState
from huashi.seq2seq.model.built_from import built_from
from huashi.seq2seq.model.protocol import Memory, real_positions

CELLS = {"gru": nn.GRU, "lstm": nn.LSTM}


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class RNNEncoderShape:
    """A bidirectional recurrent encoder; :meth:`build` makes the module."""

    cell: Literal["gru", "lstm"] = "gru"
    """Gated recurrent units, or long short-term memory."""
    embedding_size: int = 256
    """Features of a token."""
    hidden_size: int = 512
    """Features of a state; either direction has half as many units. Even."""
    layers: int = 1
    """Recurrent layers."""
    dropout: float = 0.1
    """Probability of dropping a feature of embeddings and between layers."""

    def __post_init__(self) -> None:
        _check(self)
        if self.hidden_size % 2:
            raise ValueError(
                f"hidden_size must be even, for two directions, got {self.hidden_size}"
            )

    def embed(self, vocabulary_size: int) -> nn.Embedding:
        """The table of embeddings that :meth:`build` takes, drawn anew."""
        return _embedding(vocabulary_size, self.embedding_size)

    def build(self, embedding: nn.Embedding) -> "RNNEncoder":
        """An encoder of this shape with weights drawn anew."""
        return RNNEncoder(self, embedding)


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class RNNDecoderShape:
    """A recurrent decoder with attention; :meth:`build` makes the module."""

    cell: Literal["gru", "lstm"] = "gru"
    """Gated recurrent units, or long short-term memory."""
    embedding_size: int = 256
    """Features of a token."""
    hidden_size: int = 512
    """Units of a layer."""
    layers: int = 1
    """Recurrent layers."""
    attention: AttentionShape | None = field(default_factory=AttentionShape)
    """How it attends to the source; None for a decoder that has only its first state from it."""
    attend: Literal["after", "before"] = "after"
    """Attend after the recurrence (Luong) or before it (Bahdanau)."""
    input_feeding: bool = True
    """Give the last attentional state to the next step (Luong)."""
    dropout: float = 0.1
    """Probability of dropping a feature of embeddings, between layers, and before the output."""

    def __post_init__(self) -> None:
        _check(self)
        check_choice("attend", self.attend, ("after", "before"))

    def embed(self, vocabulary_size: int) -> nn.Embedding:
        """The table of embeddings that :meth:`build` takes, drawn anew."""
        return _embedding(vocabulary_size, self.embedding_size)

    def build(self, embedding: nn.Embedding, memory_size: int) -> "RNNDecoder":
        """A decoder of this shape with weights drawn anew, for a memory of so many features."""
        return RNNDecoder(self, embedding, memory_size)


class State(NamedTuple):
    """What the decoder knows between two steps; one row a hypothesis."""

    attention: AttentionState | None
    hidden: tuple[Tensor, ...]
    """``(h,)`` of a GRU, ``(h, c)`` of an LSTM, each (batch, layers, hidden)."""
    attentional: Tensor
    """The last attentional state, (batch, hidden)."""
    alignment: Tensor
    """Attention weights of the tokens of the last call, (rows, tokens, source)."""


@built_from(RNNEncoderShape)
class RNNEncoder(nn.Module):
    """Bidirectional recurrence over the embedded source: token ids, (batch, source), to a memory.

    Args:
        shape: sizes and settings.
        embedding: the table of tokens, as of ``shape.embed(vocabulary_size)``.
    """

    def __init__(self, shape: RNNEncoderShape, embedding: nn.Embedding) -> None:
        super().__init__()
        self.size = shape.hidden_size
        self.embedding = embedding
        self.dropout = Dropout(shape.dropout)
        self.rnn = CELLS[shape.cell](
            shape.embedding_size,
            shape.hidden_size // 2,
            shape.layers,
            batch_first=True,
            bidirectional=True,
            dropout=shape.dropout if shape.layers > 1 else 0.0,
        )
        _initialise(self.rnn)

    def forward(self, source: Tensor, lengths: Tensor) -> Memory:
        """Encode.

        Args:
            source: token ids, (batch, source).
            lengths: true lengths, (batch,); what lies beyond them changes nothing.

        Returns:
            States (batch, source, hidden), zero beyond the length, as keys and as values.
        """
        embedded = self.dropout(self.embedding(source))
        packed = pack_padded_sequence(
            embedded, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        outputs, last = self.rnn(packed)
        states, _ = pad_packed_sequence(outputs, batch_first=True, total_length=source.shape[1])
        last = last if isinstance(last, tuple) else (last,)
        mask = real_positions(lengths, source.shape[1], source.device)
        joined = tuple(_join_directions(h) for h in last)
        return Memory(states, states, mask, joined, source=source)


@built_from(RNNDecoderShape)
class RNNDecoder(nn.Module):
    """Recurrence over the embedded target that attends to the source at every step.

    Args:
        shape: sizes and settings.
        embedding: the table of tokens, as of ``shape.embed(vocabulary_size)``.
        memory_size: features of the memory.
    """

    def __init__(self, shape: RNNDecoderShape, embedding: nn.Embedding, memory_size: int) -> None:
        super().__init__()
        hidden = shape.hidden_size
        self.shape = shape
        self.size = hidden
        self.embedding = embedding
        self.dropout = Dropout(shape.dropout)
        self.attention = shape.attention and shape.attention.build(hidden, memory_size)
        context = memory_size if self.attention else 0
        self.rnn = CELLS[shape.cell](
            shape.embedding_size
            + hidden * shape.input_feeding
            + context * (shape.attend == "before"),
            hidden,
            shape.layers,
            batch_first=True,
            dropout=shape.dropout if shape.layers > 1 else 0.0,
        )
        self.bridge = nn.ModuleList(
            nn.Linear(memory_size, hidden) for _ in range(2 if shape.cell == "lstm" else 1)
        )
        self.combine = nn.Linear(context + hidden, hidden)
        _initialise(self.rnn)

    @property
    def attends(self) -> bool:
        """Whether it reads more of the source than its first state."""
        return self.attention is not None

    def head(self, vocabulary_size: int) -> nn.Linear:
        """The layer from features to logits."""
        return nn.Linear(self.size, vocabulary_size)

    def start(self, memory: Memory) -> State:
        """The state before the first step: the bridge from the encoder's last states.

        A layer starts from the encoder's layer of its number, or its last one; from the mean of the
        memory where the encoder is not recurrent.
        """
        last = memory.last or (_mean(memory)[:, None],)
        hidden = []
        for n, bridge in enumerate(self.bridge):
            known = last[min(n, len(last) - 1)]
            layers = [min(layer, known.shape[1] - 1) for layer in range(self.shape.layers)]
            hidden.append(torch.tanh(bridge(known[:, layers])))
        return State(
            self.attention and self.attention.start(memory),
            tuple(hidden),
            torch.zeros_like(hidden[0][:, 0]),
            torch.zeros_like(memory.keys[:, None, :, 0]),
        )

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Read ``tokens``, (batch, target); return attentional states (batch, target, hidden)."""
        embedded = self.dropout(self.embedding(tokens))
        if self.shape.attend == "after" and not self.shape.input_feeding:
            return self._attend_after(embedded, state)  # no step waits for another's attention
        step = self._attend_after if self.shape.attend == "after" else self._attend_before
        outputs, alignments = [], []
        for x in embedded.split(1, dim=1):
            if self.shape.input_feeding:
                x = torch.cat([x, state.attentional[:, None]], -1)
            output, state = step(x, state)
            outputs.append(output)
            alignments.append(state.alignment[:, -1:])  # without attention that of the start
        return torch.cat(outputs, 1), state._replace(alignment=torch.cat(alignments, 1))

    def _attend_after(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        outputs, hidden = self._recur(x, state.hidden)
        context, state = self._attend(outputs, state)
        return self._combine(context, outputs, state._replace(hidden=hidden))

    def _attend_before(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        context, state = self._attend(state.hidden[0][:, -1:], state)
        outputs, hidden = self._recur(torch.cat([x, *context], -1), state.hidden)
        return self._combine(context, outputs, state._replace(hidden=hidden))

    def _attend(self, query: Tensor, state: State) -> tuple[list[Tensor], State]:
        """The context, or nothing where there is no attention."""
        if self.attention is None:
            return [], state
        context, weights, attention = self.attention(query, state.attention)
        return [context], state._replace(attention=attention, alignment=weights)

    def _recur(self, x: Tensor, hidden: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        layers_first = tuple(h.transpose(0, 1).contiguous() for h in hidden)
        if self.shape.cell == "gru":
            outputs, last = self.rnn(x, layers_first[0])
            return outputs, (last.transpose(0, 1),)
        outputs, last = self.rnn(x, layers_first)
        return outputs, tuple(h.transpose(0, 1) for h in last)

    def _combine(
        self, context: list[Tensor], outputs: Tensor, state: State
    ) -> tuple[Tensor, State]:
        attentional = torch.tanh(self.combine(torch.cat([*context, outputs], -1)))
        return self.dropout(attentional), state._replace(attentional=attentional[:, -1])


def _initialise(recurrence: nn.RNNBase) -> None:
    """Orthogonal from state to state, Xavier from input to state, gate by gate."""
    for name, weight in recurrence.named_parameters():
        for gate in weight.data.split(recurrence.hidden_size):
            if "weight_hh" in name:
                nn.init.orthogonal_(gate)
            elif "weight_ih" in name:
                nn.init.xavier_uniform_(gate)


def _join_directions(last: Tensor) -> Tensor:
    """(layers * 2, batch, half) as torch returns it -> (batch, layers, hidden)."""
    forward, backward = last[0::2], last[1::2]
    return torch.cat([forward, backward], -1).transpose(0, 1)


def _mean(memory: Memory) -> Tensor:
    """The mean of the real positions, (batch, features); of none it is zero."""
    weights = memory.mask / memory.mask.sum(1, keepdim=True).clamp(min=1)
    return (weights[:, None].to(memory.keys) @ memory.keys)[:, 0]


def _embedding(vocabulary_size: int, size: int) -> nn.Embedding:
    embedding = nn.Embedding(vocabulary_size, size)
    nn.init.normal_(embedding.weight, std=size**-0.5)
    return embedding


def _check(shape: RNNEncoderShape | RNNDecoderShape) -> None:
    check_choice("cell", shape.cell, CELLS)
    for name in ("embedding_size", "hidden_size", "layers"):
        check_positive(name, getattr(shape, name))
    if not 0 <= shape.dropout < 1:
        raise ValueError(f"dropout must be in [0, 1), got {shape.dropout}")
