"""What a model scores on held-out pairs: likelihood, and the text metrics of sacrebleu."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from huashi.seq2seq.inference.translator import Translator
from huashi.seq2seq.model.protocol import EncoderDecoder
from huashi.seq2seq.text.corpus import Pair, collate, token_batches
from huashi.seq2seq.text.metrics import text_scores


@torch.inference_mode()
def likelihood(
    model: EncoderDecoder,
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    *,
    batch_tokens: int = 8000,
    source_end: bool = True,
) -> dict[str, float]:
    """The mean loss of a target token, EOS counted, and its exponential.

    Args:
        model: in evaluation mode.
        pairs: token ids.
        batch_tokens: positions of a batch, padding counted.
        source_end: False for a model that reads sources without EOS.

    Returns:
        ``loss`` in nats, that of the model's output mapping; with softmax also ``perplexity``.
    """
    device = next(model.parameters()).device
    lengths = [(len(source) + 1, len(target) + 1) for source, target in pairs]
    most = max(batch_tokens, *map(max, lengths))
    total, tokens = torch.zeros((), dtype=torch.float64, device=device), 0
    for batch in token_batches(lengths, most):
        sources, targets = zip(*(pairs[i] for i in batch), strict=True)
        source, length, target = collate(sources, targets, source_end=source_end)
        gold: Tensor = target[:, 1:].to(device)
        features, state = model.features(source.to(device), length, target[:, :-1].to(device))
        total += model.output.likelihood(features, gold, state)
        tokens += sum(len(ids) + 1 for ids in targets)
    loss = total.item() / tokens
    if model.output.is_sparse:
        return {"loss": loss}
    return {"loss": loss, "perplexity": math.exp(min(loss, 700))}


def translation_scores(
    translator: Translator, pairs: Sequence[Pair], *, beam: int, tokenizer: str | None = None
) -> dict[str, float | str]:
    """What the translations of the sources score: BLEU, chrF, exact match, and signatures.

    Args:
        translator: of the sources.
        pairs: sources and references.
        beam: hypotheses kept alive.
        tokenizer: of BLEU; by default that which the references need.
    """
    found = translator.translate([pair.source for pair in pairs], beam=beam)
    wanted = [pair.target for pair in pairs]
    return text_scores(found, wanted, tokenizer=tokenizer, error_rates=False)
