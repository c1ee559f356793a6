r"""What projects do differently in a beam search, each rule by its name.

A hypothesis of :math:`n` tokens, EOS counted, whose log-probabilities sum to :math:`S`, scores

.. math:: \frac{S}{\operatorname{lp}(n)} + \text{coverage} + \text{brevity}, \qquad
    \operatorname{lp}(n) = \left(\frac{\beta + n + o}{\beta + 1}\right)^\alpha

(``length_base`` :math:`\beta`, ``length_offset`` :math:`o`, ``length_penalty`` :math:`\alpha`):
with :math:`\beta = 0` a power of the length, with :math:`\beta = 5` that of Wu 2016
(arXiv 1609.08144), with both chosen that of Sockeye.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from huashi._checks import check_choice, check_not_negative, check_positive

Semantics = Literal["huashi", "gnmt", "fairseq", "hf", "opennmt", "ctranslate2", "tensor2tensor"]
Keep = Literal["nbest", "beam", "first"]
Stop = Literal["safe", "estimate", "count", "top", "count_or_top"]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules of a beam search; :data:`PRESETS` holds those of known projects."""

    candidates: int = 2
    """The best ``candidates * beam`` continuations of a sentence are looked at in a step."""
    finish: Literal["beam", "any"] = "beam"
    """Which candidates that end with EOS are finished: those among the first ``beam``, or any."""
    keep: Keep = "nbest"
    """Which finished hypotheses are kept: the best ``nbest``, the best ``beam``, or the first
    ``beam * patience`` that were found, whatever they score."""
    stop: Stop = "safe"
    """When a sentence is done, but for its greatest length.

    ``safe``: as many as are kept are finished, and nothing alive can still beat the worst of
    them. ``estimate``: the same, supposing that what is alive would score as at its present length.
    ``count``: ``beam * patience`` are finished. ``top``: the best candidate of a step has ended
    with EOS, and ``nbest`` are finished. ``count_or_top``: ``top`` where no penalty of length or
    coverage applies, else ``count``.
    """
    limit: Literal["end", "cut"] = "end"
    """At the greatest length only EOS may follow, or what is alive is cut there, unfinished."""
    length_penalty: float = 1.0
    """Exponent of the length; 0 compares plain sums of log-probabilities."""
    length_base: float = 0.0
    """What is added to the length before that, and makes lp(1) = 1 all the same."""
    length_offset: int = 0
    """What else is counted: 1 for BOS, -1 for not counting EOS."""
    coverage: Literal["log", "excess"] = "log"
    r"""Of the sum of the attention :math:`c_j` to each source position, ``log``:
    :math:`\sum_j \log\min(c_j, 1)` over those that were seen at all (Wu 2016); ``excess``:
    :math:`-\sum_j \max(c_j - 1, 0)`, against seeing one again and again (OpenNMT's "summary")."""
    coverage_penalty: float = 0.0
    """Weight of the coverage in the score of a finished hypothesis."""
    brevity_penalty: float = 0.0
    """Weight of ``min(0, 1 - r / n)``, against translations shorter than the reference length r
    (Sockeye)."""
    patience: float = 1.0
    """How many times the beam are finished before ``count`` stops (Kasai 2022, arXiv 2204.05424).
    """
    prune: float | None = None
    """Drop a token this far below the best one after its hypothesis, and a hypothesis whose score
    is this far below the best finished one (Wu 2016)."""
    renormalise: bool = False
    """Make probabilities sum to 1 again after what adjustments forbid."""

    def __post_init__(self) -> None:
        check_positive("candidates", self.candidates)
        check_positive("patience", self.patience)
        check_choice("finish", self.finish, ("beam", "any"))
        check_choice("keep", self.keep, get_args(Keep))
        check_choice("stop", self.stop, get_args(Stop))
        check_choice("limit", self.limit, ("end", "cut"))
        check_choice("coverage", self.coverage, ("log", "excess"))
        for name in ("length_base", "coverage_penalty", "brevity_penalty"):
            check_not_negative(name, getattr(self, name))
        if not math.isfinite(self.length_penalty):
            raise ValueError(f"length_penalty must be finite, got {self.length_penalty}")
        if self.length_base + self.length_offset + 1 <= 0:
            raise ValueError(
                "length_offset must leave a length above 0, got "
                f"{self.length_offset} with length_base {self.length_base:g}"
            )
        if self.prune is not None:
            check_positive("prune", self.prune)


PRESETS: dict[str, Rules] = {
    "huashi": Rules(),
    "gnmt": Rules(length_base=5.0, length_penalty=0.2, coverage_penalty=0.2, prune=3.0),
    "fairseq": Rules(keep="first", stop="count"),
    "hf": Rules(keep="beam", stop="estimate", limit="cut"),
    "opennmt": Rules(candidates=1, stop="top", limit="cut", length_offset=1),
    "ctranslate2": Rules(stop="count_or_top", limit="cut", renormalise=True),
    "tensor2tensor": Rules(finish="any", keep="beam", length_base=5.0, length_penalty=0.6),
}
"""Each project's n-best lists, from the same log-probabilities."""


def rules_of(semantics: Semantics) -> Rules:
    """The preset of that name; to change a rule of it, use :func:`dataclasses.replace`.

    Args:
        semantics: ``huashi``, or the name of a project.

    >>> rules_of("fairseq").stop
    'count'
    """
    check_choice("semantics", semantics, PRESETS)
    return PRESETS[semantics]
