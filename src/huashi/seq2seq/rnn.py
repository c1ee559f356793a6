r"""Recurrent encoder-decoder with attention (Sutskever 2014, Bahdanau 2014, Luong 2015).

The encoder is bidirectional. The bridge makes the decoder's first hidden state from the encoder's
last ones: :math:`\tanh(W [\overrightarrow{h_S}; \overleftarrow{h_1}])`. The decoder attends

* ``after`` its recurrence (Luong): :math:`h_t = f(h_{t-1}, y_{t-1})`, the context from :math:`h_t`,
  then :math:`\tilde h_t = \tanh(W_c [c_t; h_t])`. With input feeding the next input is
  :math:`[y_t; \tilde h_t]`.
* ``before`` it (Bahdanau): the context from :math:`h_{t-1}` is part of the input,
  :math:`h_t = f(h_{t-1}, [y_{t-1}; c_t])`, and :math:`\tilde h_t = \tanh(W_c [c_t; h_t])` as well.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from huashi._checks import check_choice, check_positive
from huashi.seq2seq.attention import MAPPINGS, SCORES, Attention, Mapping, Score
from huashi.seq2seq.encoder_decoder import EncoderDecoder

CELLS = {"gru": nn.GRU, "lstm": nn.LSTM}


@dataclass(frozen=True, kw_only=True)
class RNN:
    """The shape of a recurrent encoder-decoder; :meth:`build` makes the model."""

    cell: Literal["gru", "lstm"] = "gru"
    """Gated recurrent units, or long short-term memory."""
    embedding_size: int = 256
    """Features of a token; source and target share one table."""
    hidden_size: int = 512
    """Units of a decoder layer; a direction of the encoder has half as many. Even."""
    layers: int = 1
    """Recurrent layers of the encoder, and of the decoder."""
    score: Score = "scaled_dot"
    """How a decoder state and a source position are compared."""
    mapping: Mapping = "softmax"
    """How scores become attention weights."""
    attend: Literal["after", "before"] = "after"
    """Attend after the recurrence (Luong) or before it (Bahdanau)."""
    input_feeding: bool = True
    """Give the last attentional state to the next step (Luong)."""
    dropout: float = 0.1
    """Probability of dropping a feature of embeddings, between layers, and before the output."""

    def __post_init__(self) -> None:
        check_choice("cell", self.cell, CELLS)
        check_choice("score", self.score, SCORES)
        check_choice("mapping", self.mapping, MAPPINGS)
        check_choice("attend", self.attend, ("after", "before"))
        for name in ("embedding_size", "hidden_size", "layers"):
            check_positive(name, getattr(self, name))
        if self.hidden_size % 2:
            raise ValueError(
                "hidden_size must be even, for the encoder's two directions, got "
                f"{self.hidden_size}"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")

    def build(self, vocabulary_size: int) -> EncoderDecoder:
        """A model of this shape with weights drawn anew."""
        embedding = nn.Embedding(vocabulary_size, self.embedding_size)
        nn.init.normal_(embedding.weight, std=self.embedding_size**-0.5)
        encoder, decoder = Encoder(self, embedding), Decoder(self, embedding)
        for recurrence in (encoder.rnn, decoder.rnn):
            _initialise(recurrence)
        return EncoderDecoder(encoder, decoder, nn.Linear(self.hidden_size, vocabulary_size))


class Memory(NamedTuple):
    """What the encoder says about a source; one row a sentence."""

    states: Tensor
    """(batch, source, hidden)."""
    keys: Tensor
    """The part of the attention's score that does not change, (batch, source, key)."""
    mask: Tensor
    """True at real positions, (batch, source)."""


class State(NamedTuple):
    """What the decoder knows between two steps; one row a hypothesis."""

    memory: Memory
    hidden: tuple[Tensor, ...]
    """``(h,)`` of a GRU, ``(h, c)`` of an LSTM, each (batch, layers, hidden)."""
    attentional: Tensor
    """The last attentional state, (batch, hidden)."""
    alignment: Tensor
    """The last attention weights, (batch, source)."""


class Encoder(nn.Module):
    """Bidirectional recurrence over the embedded source."""

    def __init__(self, shape: RNN, embedding: nn.Embedding) -> None:
        super().__init__()
        self.embedding = embedding
        self.dropout = nn.Dropout(shape.dropout)
        self.rnn = CELLS[shape.cell](
            shape.embedding_size,
            shape.hidden_size // 2,
            shape.layers,
            batch_first=True,
            bidirectional=True,
            dropout=shape.dropout if shape.layers > 1 else 0.0,
        )

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Encode.

        Args:
            source: token ids, (batch, source).
            lengths: true lengths, (batch,); what lies beyond them changes nothing.

        Returns:
            States (batch, source, hidden), zero beyond the length, and the last hidden states,
            each (batch, layers, hidden).
        """
        embedded = self.dropout(self.embedding(source))
        packed = pack_padded_sequence(
            embedded, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        outputs, last = self.rnn(packed)
        states, _ = pad_packed_sequence(outputs, batch_first=True, total_length=source.shape[1])
        last = last if isinstance(last, tuple) else (last,)
        return states, tuple(_join_directions(h) for h in last)


class Decoder(nn.Module):
    """Recurrence over the embedded target that attends to the source at every step."""

    def __init__(self, shape: RNN, embedding: nn.Embedding) -> None:
        super().__init__()
        hidden = shape.hidden_size
        self.shape = shape
        self.embedding = embedding
        self.dropout = nn.Dropout(shape.dropout)
        extra = hidden * (shape.input_feeding + (shape.attend == "before"))
        self.rnn = CELLS[shape.cell](
            shape.embedding_size + extra,
            hidden,
            shape.layers,
            batch_first=True,
            dropout=shape.dropout if shape.layers > 1 else 0.0,
        )
        self.bridge = nn.ModuleList(
            nn.Linear(hidden, hidden) for _ in range(2 if shape.cell == "lstm" else 1)
        )
        self.attention = Attention(hidden, hidden, shape.score, shape.mapping)
        self.combine = nn.Linear(2 * hidden, hidden)

    def start(self, states: Tensor, last: tuple[Tensor, ...], mask: Tensor) -> State:
        """The state before the first step, from what the encoder returned."""
        memory = Memory(states, self.attention.keys(states), mask)
        hidden = tuple(torch.tanh(f(h)) for f, h in zip(self.bridge, last, strict=True))
        return State(
            memory, hidden, torch.zeros_like(states[:, 0]), torch.zeros_like(states[..., 0])
        )

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Read ``tokens``, (batch, target); return attentional states (batch, target, hidden)."""
        embedded = self.dropout(self.embedding(tokens))
        if self.shape.attend == "after" and not self.shape.input_feeding:
            return self._attend_after(embedded, state)  # no step waits for another's attention
        step = self._attend_after if self.shape.attend == "after" else self._attend_before
        outputs = []
        for x in embedded.split(1, dim=1):
            if self.shape.input_feeding:
                x = torch.cat([x, state.attentional[:, None]], -1)
            output, state = step(x, state)
            outputs.append(output)
        return torch.cat(outputs, 1), state

    def _attend_after(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        outputs, hidden = self._recur(x, state.hidden)
        context, weights = self._attend(outputs, state.memory)
        return self._combine(context, outputs, weights, hidden, state.memory)

    def _attend_before(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        context, weights = self._attend(state.hidden[0][:, -1:], state.memory)
        outputs, hidden = self._recur(torch.cat([x, context], -1), state.hidden)
        return self._combine(context, outputs, weights, hidden, state.memory)

    def _attend(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        return self.attention(query, memory.keys, memory.states, memory.mask)

    def _recur(self, x: Tensor, hidden: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        layers_first = tuple(h.transpose(0, 1).contiguous() for h in hidden)
        if self.shape.cell == "gru":
            outputs, last = self.rnn(x, layers_first[0])
            return outputs, (last.transpose(0, 1),)
        outputs, last = self.rnn(x, layers_first)
        return outputs, tuple(h.transpose(0, 1) for h in last)

    def _combine(
        self,
        context: Tensor,
        outputs: Tensor,
        weights: Tensor,
        hidden: tuple[Tensor, ...],
        memory: Memory,
    ) -> tuple[Tensor, State]:
        attentional = torch.tanh(self.combine(torch.cat([context, outputs], -1)))
        state = State(memory, hidden, attentional[:, -1], weights[:, -1])
        return self.dropout(attentional), state


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
