"""What projects do differently in a beam search, each rule by its name."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from huashi._checks import check_choice, check_not_negative, check_positive

Semantics = Literal["huashi", "gnmt", "fairseq", "hf", "opennmt", "ctranslate2", "tensor2tensor"]
Keep = Literal["nbest", "beam", "first"]
Stop = Literal["safe", "estimate", "count", "top", "count_or_top"]


@dataclass(frozen=True, kw_only=True)
class Rules:
    r"""The rules of a beam search; :data:`PRESETS` holds those of known projects.

    A hypothesis of :math:`n` tokens, EOS counted, whose log-probabilities sum to :math:`S`, scores

    .. math:: \frac{S}{\operatorname{lp}(n)} + \text{coverage} + \text{brevity}, \qquad
        \operatorname{lp}(n) = \left(\frac{\beta + n + o}{\beta + 1}\right)^\alpha

    With :math:`\beta = 0` and :math:`o = 0` the divisor is a power of the length, with
    :math:`\beta = 5` that of Wu 2016 (arXiv 1609.08144), with any :math:`\beta` that of Sockeye.

    Args:
        candidates: the best ``candidates * beam`` continuations of a sentence are looked at in each
            step; at least 1.
        finish: which candidates that end with EOS are finished. ``beam``: those among the first
            ``beam`` of the step. ``any``: all.
        keep: which finished hypotheses are kept. ``nbest``: the best ``nbest``. ``beam``: the best
            ``beam``. ``first``: the first ``beam * patience`` that were found, whatever their
            score.
        stop: when a sentence is done before its greatest length. ``safe``: as many have finished as
            are kept, and nothing alive can still beat the worst of them. ``estimate``: the same,
            where what is alive is taken to score as at its present length. ``count``:
            ``beam * patience`` have finished. ``top``: the best candidate of a step has ended with
            EOS, and ``nbest`` have finished. ``count_or_top``: ``top`` if there is no penalty of
            length or coverage, else ``count``.
        limit: what happens at the greatest length. ``end``: only EOS may follow. ``cut``: what is
            alive is cut there, unfinished. ``drop``: what is alive counts only where nothing has
            finished; then it is returned, unfinished, by the sums of its log-probabilities.
        length_penalty: :math:`\alpha`, the exponent of the length; 0 compares plain sums of
            log-probabilities.
        length_base: :math:`\beta`, at least 0.
        length_offset: :math:`o`, what else is counted: 1 for BOS, -1 for not counting EOS.
        coverage: what is made of the sum of the attention :math:`c_j` to each source position.
            ``log``: :math:`\sum_j \log\min(c_j, 1)` over the positions that were attended to at
            all (Wu 2016). ``excess``: :math:`-\sum_j \max(c_j - 1, 0)`, against attending to one
            again and again (OpenNMT's "summary").
        coverage_penalty: weight of the coverage, at least 0.
        brevity_penalty: weight of :math:`\min(0, 1 - r / n)`, at least 0, against hypotheses
            shorter than the reference length :math:`r` (Sockeye).
        patience: how many times ``beam`` have to finish before ``count`` stops, above 0
            (Kasai 2022, arXiv 2204.05424).
        prune: drop tokens whose log-probability is more than this below the best one's after the
            same hypothesis, and hypotheses whose score is more than this below that of the best
            finished one (Wu 2016); above 0, or None to prune nothing.
        renormalise: after adjustments, make the probabilities sum to 1 again.

    Raises:
        ValueError: a rule is not one of its choices or out of its range.
    """

    candidates: int = 2
    finish: Literal["beam", "any"] = "beam"
    keep: Keep = "nbest"
    stop: Stop = "safe"
    limit: Literal["end", "cut", "drop"] = "end"
    length_penalty: float = 1.0
    length_base: float = 0.0
    length_offset: int = 0
    coverage: Literal["log", "excess"] = "log"
    coverage_penalty: float = 0.0
    brevity_penalty: float = 0.0
    patience: float = 1.0
    prune: float | None = None
    renormalise: bool = False

    def __post_init__(self) -> None:
        check_positive("candidates", self.candidates)
        check_positive("patience", self.patience)
        check_choice("finish", self.finish, ("beam", "any"))
        check_choice("keep", self.keep, get_args(Keep))
        check_choice("stop", self.stop, get_args(Stop))
        check_choice("limit", self.limit, ("end", "cut", "drop"))
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

    @property
    def stops_by(self) -> Stop:
        """``stop``, with ``count_or_top`` decided."""
        if self.stop != "count_or_top":
            return self.stop
        return "count" if self.length_penalty or self.coverage_penalty else "top"

    @property
    def has_patience(self) -> bool:
        """Whether ``patience`` acts: what is kept, or when to stop, is a matter of how many."""
        return self.keep == "first" or self.stops_by == "count"


PRESETS: dict[str, Rules] = {
    "huashi": Rules(),
    "gnmt": Rules(length_base=5.0, length_penalty=0.2, coverage_penalty=0.2, prune=3.0),
    "fairseq": Rules(keep="first", stop="count"),
    "hf": Rules(keep="beam", stop="estimate", limit="cut"),
    "opennmt": Rules(candidates=1, stop="top", limit="cut", length_offset=1),
    "ctranslate2": Rules(stop="count_or_top", limit="cut", renormalise=True),
    "tensor2tensor": Rules(
        finish="any", keep="beam", limit="drop", length_base=5.0, length_penalty=0.6
    ),
}
"""The rules of each project: from the same log-probabilities they give its n-best lists."""


def rules_of(semantics: Semantics) -> Rules:
    """The rules of that name in :data:`PRESETS`; :func:`dataclasses.replace` changes some of them.

    Args:
        semantics: ``huashi``, ``gnmt``, ``fairseq``, ``hf`` (transformers), ``opennmt``,
            ``ctranslate2`` or ``tensor2tensor``.

    Raises:
        ValueError: it is none of these.

    >>> rules_of("fairseq").stop
    'count'
    """
    check_choice("semantics", semantics, PRESETS)
    return PRESETS[semantics]
