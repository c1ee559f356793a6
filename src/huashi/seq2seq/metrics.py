"""Scores of generated text, by sacrebleu; nothing here is our own but exact match."""

from collections.abc import Sequence

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF


def text_scores(found: Sequence[str], wanted: Sequence[str]) -> dict[str, float | str]:
    """Exact match in percent, BLEU and chrF with sacrebleu's signatures.

    Args:
        found: what a model said.
        wanted: what it should have said, one reference each.

    Raises:
        ValueError: there is nothing to score, or the two differ in number.

    >>> text_scores(["1979-05-03"], ["1979-05-03"])["exact match, %"]
    100.0
    """
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
