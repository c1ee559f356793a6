"""What a translator gives: translations, and the hypotheses that a search looked at."""

from dataclasses import dataclass

from torch import Tensor

from huashi._field_docs import with_field_docs


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class Translation:
    """A translation of a source, with its scores."""

    text: str
    """What it says."""
    score: float
    """Mean log-probability of a token, or as the rules of the search have it; higher is better."""
    finished: bool
    """False where there was no end within the greatest length."""
    exact: bool
    """It is proven that the model has no better one except those ranked above it."""
    source_tokens: list[str]
    """Those of the source, EOS counted where the model reads it."""
    tokens: list[str]
    """Those of the translation."""
    token_scores: list[float]
    """Log-probability of each of ``tokens``, which end with EOS where ``finished``."""
    alignment: Tensor | None
    """Attention of each token to each source token, (tokens, source tokens)."""


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class Considered:
    """A hypothesis that a beam search looked at, for a picture of it."""

    length: int
    """Tokens of it: the step it is of."""
    number: int
    """By which others name it as their parent."""
    parent: int
    """The number of the hypothesis that it continues; -1 at the first step."""
    token: str
    """The last of its tokens."""
    total: float
    """Sum of its log-probabilities."""
    score: float
    """What it would score if it ended here."""
    kept: bool
    """It lives on."""
    finished: bool
    """It has ended, and counts."""


def empty_translation() -> Translation:
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
