"""Scores of generated text, by sacrebleu; nothing here is our own but exact match."""

import re
from collections.abc import Callable, Sequence
from typing import Literal
from unicodedata import normalize

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from huashi._checks import check_texts
from huashi.seq2seq.text.corpus import Pair
from huashi.seq2seq.text.tokenizer import Tokenizer

_NO_SPACES = (
    re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]"),  # Han
    re.compile("[\u3041-\u30ff]"),  # kana
    re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"),  # Thai, Lao, Burmese, Khmer
)
"""Letters of languages that write no spaces between words."""


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


def bleu_tokenizer(references: Sequence[str]) -> str:
    """The tokenizer of sacrebleu that BLEU of these texts needs, which its signature names.

    ``13a``, sacrebleu's own choice, splits at spaces: where a language writes none, a sentence
    would be one word. Most of the letters of the texts decide: Chinese is ``zh``; Japanese, which
    has kana, and Thai, Lao, Khmer and Burmese are ``char``; all else is ``13a``.

    Args:
        references: in the language of the targets.

    >>> bleu_tokenizer(["一只狗"]), bleu_tokenizer(["犬がいる"]), bleu_tokenizer(["a dog"])
    ('zh', 'char', '13a')
    """
    text = "".join(references)
    han, kana, other = (len(pattern.findall(text)) for pattern in _NO_SPACES)
    letters = sum(map(str.isalpha, text))
    if 2 * (han + kana + other) <= letters:
        return "13a"
    return "zh" if han > max(10 * kana, other) else "char"


def text_scores(found: Sequence[str], wanted: Sequence[str]) -> dict[str, float | str]:
    """Exact match in percent, BLEU and chrF with sacrebleu's signatures, of NFC forms.

    BLEU is by :func:`bleu_tokenizer`.

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
    found, wanted = ([normalize("NFC", text) for text in some] for some in (found, wanted))
    right = sum(a == b for a, b in zip(found, wanted, strict=True))
    scores: dict[str, float | str] = {
        "pairs": len(wanted),
        "exact match, %": round(100 * right / len(wanted), 2),
    }
    for name, metric in {"BLEU": BLEU(tokenize=bleu_tokenizer(wanted)), "chrF": CHRF()}.items():
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
    tokenizer = bleu_tokenizer([pair.target for pair in pairs])
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i].source.split()))
    size = max(-(-len(order) // groups), 1)
    rows = []
    for first in range(0, len(order), size):
        part = order[first : first + size]
        score = BLEU(tokenize=tokenizer).corpus_score(
            [found[i] for i in part], [[pairs[i].target for i in part]]
        )
        words = sum(len(pairs[i].source.split()) for i in part) / len(part)
        rows.append({"words": round(words, 1), "pairs": len(part), "BLEU": round(score.score, 2)})
    return rows
