"""Scores of generated text, by sacrebleu; nothing here is our own but exact match."""

from collections.abc import Callable, Sequence
from typing import Literal

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from huashi._checks import check_texts
from huashi.seq2seq.text.corpus import Pair
from huashi.seq2seq.text.tokenizer import Tokenizer


def sentence_cost(
    tokenizer: Tokenizer, metric: Literal["bleu", "chrf"]
) -> Callable[[Sequence[int], Sequence[int]], float]:
    """What a sentence costs beside a reference, from 0 to 1: 1 less its score.

    Args:
        tokenizer: of the token ids that the cost is given.
        metric: ``bleu``, of one sentence and smoothed, or ``chrf``.
    """
    scorer = BLEU(effective_order=True) if metric == "bleu" else CHRF()

    def cost(found: Sequence[int], wanted: Sequence[int]) -> float:
        text, reference = tokenizer.decode(found), tokenizer.decode(wanted)
        return 1 - scorer.sentence_score(text, [reference]).score / 100

    return cost


def text_scores(found: Sequence[str], wanted: Sequence[str]) -> dict[str, float | str]:
    """Exact match in percent, BLEU and chrF with sacrebleu's signatures.

    Args:
        found: what a model said.
        wanted: what it should have said, one reference each.

    Raises:
        ValueError: there is nothing to score, or the two differ in number.
        TypeError: one of them is one text.

    >>> text_scores(["1979-05-03"], ["1979-05-03"])["exact match, %"]
    100.0
    """
    check_texts("found", found)
    check_texts("wanted", wanted)
    if not wanted or len(found) != len(wanted):
        raise ValueError(
            f"found and wanted must have one length > 0, got {len(found)} and {len(wanted)}"
        )
    right = sum(a == b for a, b in zip(found, wanted, strict=True))
    scores: dict[str, float | str] = {
        "pairs": len(wanted),
        "exact match, %": round(100 * right / len(wanted), 2),
    }
    for name, metric in {"BLEU": BLEU(), "chrF": CHRF()}.items():
        scores[name] = round(metric.corpus_score(found, [wanted]).score, 2)
        scores[f"{name} signature"] = str(metric.get_signature())
    return scores


def scores_by_length(
    found: Sequence[str], pairs: Sequence[Pair], *, groups: int = 6
) -> list[dict[str, float]]:
    """BLEU of groups of sentences with sources of like length, about as many in each.

    Args:
        found: what a model said of each source.
        pairs: sources and references.
        groups: at most so many.

    Returns:
        For each group the mean number of ``words`` of its sources, how many ``pairs``, and
        ``BLEU``; the shortest first.
    """
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i].source.split()))
    size = max(-(-len(order) // groups), 1)
    rows = []
    for first in range(0, len(order), size):
        part = order[first : first + size]
        score = BLEU().corpus_score([found[i] for i in part], [[pairs[i].target for i in part]])
        words = sum(len(pairs[i].source.split()) for i in part) / len(part)
        rows.append({"words": round(words, 1), "pairs": len(part), "BLEU": round(score.score, 2)})
    return rows
