"""What a translator gives: translations, and the hypotheses that a search looked at."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Translation:
    """One way to say a source, with what the model thought of it."""

    text: str
    score: float
    """Mean log-probability of a token, or as the rules of the search have it; higher is better."""
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


@dataclass(frozen=True, kw_only=True)
class Considered:
    """A hypothesis that a beam search looked at, for a picture of it."""

    length: int
    """Tokens of it: the step it is of."""
    number: int
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
