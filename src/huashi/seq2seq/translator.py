"""From text to text: a trained model, its tokenizer and a search, behind one method."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from huashi._checks import check_positive
from huashi.run import Run
from huashi.seq2seq.architecture import build
from huashi.seq2seq.corpus import collate, token_batches
from huashi.seq2seq.encoder_decoder import EncoderDecoder
from huashi.seq2seq.search import Hypothesis, beam_search, greedy_search
from huashi.seq2seq.search.step import check_beam
from huashi.seq2seq.tokenizer import BOS, EOS, Tokenizer


@dataclass(frozen=True, kw_only=True)
class Translation:
    """One way to say a source, with what the model thought of it."""

    text: str
    score: float
    """Mean log-probability of a token, or as the length penalty has it; higher is better."""
    finished: bool
    """False where the model did not come to an end within the length."""
    exact: bool
    """Proven that the model has no better one, but for those ranked above it."""
    source_tokens: list[str]
    tokens: list[str]
    token_scores: list[float]
    """Log-probability of each of ``tokens``, which end with EOS where ``finished``."""
    alignment: Tensor | None
    """Attention of each token to each source token, (tokens, source tokens)."""


class Translator:
    """Translates with a trained model, which it puts in evaluation mode.

    :meth:`load` makes one from a run folder.
    """

    def __init__(self, model: EncoderDecoder, tokenizer: Tokenizer) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer

    @classmethod
    def load(cls, run: str | Path | Run, *, device: str | torch.device = "cpu") -> "Translator":
        """Open the best model of a run folder. Nothing in the folder is executed.

        Raises:
            FileNotFoundError: the folder, or the model in it, is not there.
            ValueError: a file in it is damaged, it is not a run folder, or there is no such device.
        """
        run = run if isinstance(run, Run) else Run(run)
        tokenizer = Tokenizer.load(run.path("tokenizer.json"))
        model = build(run.model, len(tokenizer))
        run.load_model(model)
        try:
            return cls(model.to(device), tokenizer)
        except (RuntimeError, AssertionError) as error:
            problem = str(error).splitlines()[0]
            raise ValueError(
                f"device must be one of this machine, got {device}: {problem}"
            ) from None

    def translate(
        self,
        sources: Sequence[str],
        *,
        beam: int = 5,
        length_penalty: float = 1.0,
        max_length: int | None = None,
    ) -> list[str]:
        """The best translation of each source; takes what :meth:`search` takes."""
        options = {"beam": beam, "length_penalty": length_penalty, "max_length": max_length}
        return [best[0].text for best in self.search(sources, **options)]

    @torch.inference_mode()
    def search(
        self,
        sources: Sequence[str],
        *,
        beam: int = 5,
        nbest: int = 1,
        length_penalty: float = 1.0,
        max_length: int | None = None,
        batch_tokens: int = 4096,
    ) -> list[list[Translation]]:
        """The ``nbest`` translations of each source, best first.

        What comes out for a source does not depend on the others, their number or their order.

        Args:
            sources: texts; an empty one is translated to an empty one.
            beam: hypotheses kept alive; 1 is greedy search.
            nbest: translations of each source, at most ``beam``.
            length_penalty: exponent of the length that a score is divided by.
            max_length: the most tokens of a translation; twice the source's and 20 by default.
            batch_tokens: source positions translated at a time, padding counted.

        Returns:
            In the order of ``sources``; fewer than ``nbest`` where the model allows no more.

        Raises:
            ValueError: ``nbest`` is not from 1 to ``beam``, a number is not positive, or the length
                penalty is not finite.
        """
        check_beam(beam, nbest, length_penalty)
        check_positive("batch_tokens", batch_tokens)
        ids = self.tokenizer.encode_batch(sources)
        found: list[list[Translation]] = [[_nothing()] for _ in sources]
        wanted = [i for i, source in enumerate(ids) if source]
        lengths = [(len(ids[i]) + 1, 0) for i in wanted]
        longest = max((length for length, _ in lengths), default=1)
        for batch in token_batches(lengths, max(batch_tokens, longest)):
            numbers = [wanted[n] for n in batch]
            texts = [ids[i] for i in numbers]
            for i, best in zip(
                numbers, self._search(texts, beam, nbest, length_penalty, max_length), strict=True
            ):
                found[i] = [self._translation(ids[i], hypothesis) for hypothesis in best]
        return found

    def _search(
        self,
        sources: list[list[int]],
        beam: int,
        nbest: int,
        length_penalty: float,
        max_length: int | None,
    ) -> list[list[Hypothesis]]:
        device = next(self.model.parameters()).device
        batch = collate(sources, [[]] * len(sources))
        state = self.model.encode(batch.source.to(device), batch.lengths)
        options = {
            "bos": BOS,
            "eos": EOS,
            "max_length": 2 * batch.lengths + 20 if max_length is None else max_length,
            "length_penalty": length_penalty,
            "alignment": self.model.alignment,
        }
        if beam == 1:
            return greedy_search(self.model.step, state, **options)
        return beam_search(self.model.step, state, beam=beam, nbest=nbest, **options)

    def _translation(self, source: list[int], hypothesis: Hypothesis) -> Translation:
        alignment = hypothesis.alignment
        return Translation(
            text=self.tokenizer.decode(hypothesis.tokens),
            score=hypothesis.score,
            finished=hypothesis.finished,
            exact=hypothesis.exact,
            source_tokens=self.tokenizer.tokens([*source, EOS]),
            tokens=self.tokenizer.tokens(hypothesis.tokens),
            token_scores=hypothesis.token_scores,
            alignment=None if alignment is None else alignment[:, : len(source) + 1],
        )


def _nothing() -> Translation:
    """The translation of an empty source."""
    return Translation(
        text="",
        score=0.0,
        finished=True,
        exact=True,
        source_tokens=[],
        tokens=[],
        token_scores=[],
        alignment=None,
    )
