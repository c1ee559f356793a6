"""Unknown tokens of a translation, replaced by what they stand for in the source."""

from collections.abc import Mapping, Sequence

from huashi.seq2seq.search.hypothesis import Hypothesis


def replace_unknown(
    hypothesis: Hypothesis,
    target_tokens: Sequence[str],
    source_tokens: Sequence[str],
    *,
    unknown: int,
    dictionary: Mapping[str, str] | None = None,
) -> list[str]:
    """``target_tokens`` with every unknown one replaced by a token of the source.

    Where the model gives the unknown token, its attention points to a source token: that is copied,
    or what a dictionary has for it (Luong 2015, arXiv 1410.8206; Jean 2015, arXiv 1412.2007).

    Args:
        hypothesis: with its alignment, (tokens, source positions).
        target_tokens: its tokens as strings, one for each.
        source_tokens: the source as strings, without EOS: attention to positions behind them does
            not count. An unknown token that attends to none of them stays as it is.
        unknown: id of the unknown token.
        dictionary: translations of source tokens; what it lacks is copied.

    Returns:
        As many strings as ``target_tokens``.

    Raises:
        ValueError: the hypothesis has no alignment, or ``target_tokens`` are not as many as its
            tokens.

    >>> import torch
    >>> seen = torch.tensor([[0.1, 0.9], [0.8, 0.2]])
    >>> scores = {"score": 0.0, "token_scores": [0.0, 0.0], "finished": False, "exact": False}
    >>> hypothesis = Hypothesis(tokens=[5, 1], alignment=seen, **scores)
    >>> replace_unknown(hypothesis, ["from", "<unk>"], ["Wuhan", "aus"], unknown=1)
    ['from', 'Wuhan']
    """
    if hypothesis.alignment is None:
        raise ValueError(
            "hypothesis must have an alignment, got None: give alignment to the search"
        )
    if len(target_tokens) != len(hypothesis.tokens):
        raise ValueError(
            f"target_tokens must be those of the hypothesis ({len(hypothesis.tokens)}), "
            f"got {len(target_tokens)}"
        )
    translations = dictionary or {}
    replaced = list(target_tokens)
    for place, (token, row) in enumerate(
        zip(hypothesis.tokens, hypothesis.alignment.tolist(), strict=True)
    ):
        attention = row[: len(source_tokens)]
        if token == unknown and any(attention):
            most: int = attention.index(max(attention))
            source = source_tokens[most]
            replaced[place] = translations.get(source, source)
    return replaced
