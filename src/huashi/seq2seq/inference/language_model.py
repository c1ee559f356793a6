"""Texts from a language model: samples after a prompt, and how many bits a text costs it.

The model has learned running text in windows of ``context`` tokens. A recurrent model keeps its
state for as long as the text goes on. Any other model forgets: once it has read a whole window, it
starts anew with the second half of it, so that there is always at least half a window to predict
from.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from huashi._checks import check_device, check_positive
from huashi.run import Run, open_run
from huashi.run.task import LANGUAGE_MODEL
from huashi.seq2seq.architecture import build
from huashi.seq2seq.model.protocol import EncoderDecoder
from huashi.seq2seq.models.rnn import RNNDecoder
from huashi.seq2seq.search import Suppress, sample, select
from huashi.seq2seq.text.running import encoded, of_running_text
from huashi.seq2seq.text.tokenizer import BOS, EOS, PAD, UNKNOWN, Tokenizer
from huashi.seq2seq.text.vocabulary_growth import kind_of


class _State(NamedTuple):
    """What the model knows between two tokens, one row a text."""

    inner: Any
    """Of the decoder."""
    tokens: Tensor
    """What of the text it has read, (rows, tokens)."""


class LanguageModel:
    """A trained language model of running text, put in evaluation mode.

    Args:
        model: without an encoder.
        tokenizer: of its texts.
        context: tokens of a window, as it was trained.

    :meth:`load` makes one from a run folder.
    """

    def __init__(self, model: EncoderDecoder, tokenizer: Tokenizer, context: int) -> None:
        check_positive("context", context)
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.context = context
        self._forgets = not isinstance(model.decoder, RNNDecoder)

    @classmethod
    def load(cls, run: str | Path | Run, *, device: str | torch.device = "cpu") -> "LanguageModel":
        """Open the best model of a run of the recipe ``lm``. Nothing in the folder is executed.

        Args:
            run: the folder.
            device: where to compute.

        Raises:
            FileNotFoundError: the folder, or the model in it, is not there.
            ValueError: a file in it is damaged, it is not the run of a language model of running
                text, or there is no such device.
        """
        check_device("device", device)
        run = open_run(run, LANGUAGE_MODEL)
        if "context" not in run.config or run.config.get("unit", "text") != "text":
            raise ValueError(
                f"{run.folder} must be the run of a language model of running text, got one of "
                f"{run.config.get('unit', 'another kind')}s"
            )
        tokenizer = Tokenizer.load(run.path("tokenizer.json"))
        model = build(run.model, len(tokenizer))
        run.load_model(model)
        context = run.config.get("context")
        if not isinstance(context, int) or context < 1:
            raise ValueError(f"{run.path('config.json')}: context must be > 0, got {context!r}")
        return cls(model.to(device), tokenizer, context)

    def sample(
        self, prompt: str = "\n", *, tokens: int = 300, samples: int = 1, **options: Any
    ) -> list[str]:
        """Texts that go on after a prompt, which is not part of them.

        Args:
            prompt: what was said before, of at least one token.
            tokens: how many to draw.
            samples: how many texts.
            options: of :func:`huashi.seq2seq.search.sample`: ``temperature``, ``top_k``, ``top_p``,
                ``min_p``, ``typical``, ``generator``.

        Raises:
            ValueError: the prompt has no token, or a number is out of its range.
        """
        check_positive("tokens", tokens)
        ids = encoded(self.tokenizer, prompt)
        if not ids:
            raise ValueError(
                f"prompt must have at least one token (a line break is none in a model of words), "
                f"got {prompt!r}"
            )
        with torch.inference_mode():
            state = self._start()
            known = torch.tensor([ids], device=self._device)[:, :-1]
            for part in known.split(max(self.context // 2, 1), dim=1) if len(ids) > 1 else ():
                _, state = self._read(part, state)
        [drawn] = sample(
            self._step,
            state,
            bos=ids[-1],
            eos=EOS,
            max_length=tokens + 1,
            samples=samples,
            adjustments=[Suppress([PAD, UNKNOWN, BOS, EOS])],
            **options,
        )
        texts = [self._text([*ids, *one.tokens[:tokens]]) for one in drawn]
        before = self._text(ids)  # the space after it is the sample's
        return [text[len(before) :] for text in texts]

    def bits_per_character(self, text: str, *, batch: int = 32) -> float:
        """The mean cost in bits of a character of ``text``, of its NFC form, whatever the tokens.

        Counted are the characters that the model predicts: those after the first token; of a model
        of words, which knows no spaces and no line ends, those of the words and one space between
        them. Every token after the first half window is predicted from at least half a window. A
        word that is not in the vocabulary costs what the unknown token costs, whichever word it
        is: where there are many, the result is too low.

        Args:
            text: of at least two tokens.
            batch: windows that are read together.

        Raises:
            ValueError: the text is too short.
        """
        bits = self.total_bits(text, batch=batch)
        return bits / of_running_text(self.tokenizer, text).characters

    @torch.inference_mode()
    def total_bits(self, text: str, *, batch: int = 32) -> float:
        """The cost in bits of all tokens of ``text`` after the first, which nothing predicts.

        Args:
            text: as in :meth:`bits_per_character`.
            batch: windows that are read together.

        Raises:
            ValueError: the text is too short.
        """
        ids = torch.tensor(encoded(self.tokenizer, text))
        if len(ids) < 2:
            raise ValueError(f"text must have at least two tokens, got {len(ids)}")
        stride = max(self.context // 2, 1)
        total = 0.0
        starts = range(0, max(len(ids) - 1 - (self.context - stride), 1), stride)
        windows = [ids[start : start + self.context + 1] for start in starts]
        for first in range(0, len(windows), batch):
            some = windows[first : first + batch]
            padded = torch.nn.utils.rnn.pad_sequence(some, batch_first=True, padding_value=PAD)
            padded = padded.to(self._device)
            none = torch.zeros(len(some), 1, dtype=torch.long, device=self._device)
            features, state = self.model.features(none, none[:, 0] + 1, padded[:, :-1])
            log_probs = self.model.output.log_probabilities(features, state)
            costs = -log_probs.gather(-1, padded[:, 1:, None])[..., 0].double()
            for row, window in enumerate(some):
                known = 0 if first + row == 0 else self.context - stride
                total += costs[row, known : len(window) - 1].sum().item()
        return total / math.log(2)

    def _text(self, ids: Sequence[int]) -> str:
        """The text of tokens; a line of unigrams begins with a space of their own."""
        text = self.tokenizer.decode(ids, special=True)
        return text.replace("\n ", "\n") if kind_of(self.tokenizer) == "unigram" else text

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _start(self) -> _State:
        none = torch.zeros(1, 1, dtype=torch.long, device=self._device)
        return _State(self.model.encode(none, none[:, 0] + 1), none[:, :0])

    def _read(self, tokens: Tensor, state: _State) -> tuple[Tensor, _State]:
        """Read ``tokens``, (rows, tokens); return features, (rows, tokens, size)."""
        if self._forgets and state.tokens.shape[1] + tokens.shape[1] > self.context:
            kept = state.tokens[:, -(self.context // 2) :]
            fresh = select(self._start(), torch.zeros_like(tokens[:, 0]))
            state = _State(self.model.decoder(kept, fresh.inner)[1], kept)
        features, inner = self.model.decoder(tokens, state.inner)
        read = torch.cat([state.tokens, tokens], 1)[:, -self.context :]
        return features, _State(inner, read)

    def _step(self, tokens: Tensor, state: _State) -> tuple[Tensor, _State]:
        features, state = self._read(tokens[:, None], state)
        return self.model.output.log_probabilities(features, state.inner)[:, 0], state
