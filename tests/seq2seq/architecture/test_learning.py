"""Every kind of architecture learns to reverse a few digits."""

import pytest
import torch

from huashi import implementation
from huashi.seq2seq import (
    Architecture,
    AttentionShape,
    ConvDecoderShape,
    ConvEncoderShape,
    ConvSelfAttentionDecoderShape,
    LightConvDecoderShape,
    LightConvEncoderShape,
    RNNDecoderShape,
    RNNEncoderShape,
    SliceNetDecoderShape,
    SliceNetEncoderShape,
    TransformerDecoderShape,
    TransformerEncoderShape,
)
from huashi.seq2seq.search import greedy_search
from huashi.seq2seq.text.corpus import collate
from huashi.seq2seq.text.tokenizer import BOS, EOS, PAD

SMALL_TRANSFORMER = {
    "embedding_size": 32,
    "layers": 1,
    "heads": 4,
    "feed_forward_size": 64,
    "dropout": 0.0,
}
SMALL_LIGHT = {
    "embedding_size": 32,
    "heads": 4,
    "feed_forward_size": 64,
    "dropout": 0.0,
    "weight_dropout": 0.0,
}
SMALL_SLICENET = {
    "embedding_size": 36,
    "kernel_scheme": "3.3.3.3",
    "dropout": 0.0,
    "symbol_dropout": 0.0,
}
LEARNERS = {  # architecture that learns to reverse, and its learning rate
    "rnn": (
        Architecture(
            encoder=RNNEncoderShape(embedding_size=16, hidden_size=32, dropout=0.0),
            decoder=RNNDecoderShape(embedding_size=16, hidden_size=32, dropout=0.0),
        ),
        1e-2,
    ),
    "conv": (
        Architecture(
            encoder=ConvEncoderShape(
                embedding_size=32, layers=((32, 3),) * 2, attention_layers=2, dropout=0.0
            ),
            decoder=ConvDecoderShape(embedding_size=32, layers=((32, 3),) * 2, dropout=0.0),
        ),
        1e-2,
    ),
    "conv with self-attention": (
        Architecture(
            encoder=ConvEncoderShape(
                embedding_size=32, layers=((32, 3),) * 2, attention_layers=2, dropout=0.0
            ),
            decoder=ConvSelfAttentionDecoderShape(
                embedding_size=32, layers=((32, 2),) * 2, strides=(1, 2), dropout=0.0
            ),
        ),
        1e-2,
    ),
    **{
        kind: (
            Architecture(
                encoder=LightConvEncoderShape(
                    convolution=kind, kernels=(3, 7), norm="pre", **SMALL_LIGHT
                ),
                decoder=LightConvDecoderShape(
                    convolution=kind, kernels=(3, 7), norm="pre", **SMALL_LIGHT
                ),
            ),
            3e-3,
        )
        for kind in ("lightweight", "dynamic")
    },
    "slicenet": (
        Architecture(
            encoder=SliceNetEncoderShape(layers=1, separability=-2, **SMALL_SLICENET),
            decoder=SliceNetDecoderShape(layers=1, separability=-2, **SMALL_SLICENET),
        ),
        3e-3,
    ),
    "transformer": (
        Architecture(
            encoder=TransformerEncoderShape(norm="pre", **SMALL_TRANSFORMER),
            decoder=TransformerDecoderShape(norm="pre", **SMALL_TRANSFORMER),
        ),
        5e-3,
    ),
}


def reversal(generator, count):
    """Sequences of digits and the same backwards."""
    lengths = torch.randint(2, 6, (count,), generator=generator).tolist()
    sources = [torch.randint(4, 12, (n,), generator=generator).tolist() for n in lengths]
    return collate(sources, [source[::-1] for source in sources])


EACH_TIME = "conv", "transformer"  # the others are slow tests; an rnn learns below


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name not in EACH_TIME)) for name in LEARNERS],
)
def test_learns_to_reverse(name, one_thread):
    learn_to_reverse(*LEARNERS[name])


@pytest.mark.parametrize("which", ["auto", pytest.param("reference", marks=pytest.mark.slow)])
def test_learns_to_reverse_with_and_without_kernels(which, one_thread):
    """Entmax in the attention and as the output, by kernels and by formulas."""
    size = {"embedding_size": 16, "hidden_size": 32, "dropout": 0.0}
    architecture = Architecture(
        encoder=RNNEncoderShape(**size),
        decoder=RNNDecoderShape(attention=AttentionShape(mapping="entmax15"), **size),
        mapping="entmax",
        alpha=1.3,
    )
    with implementation(which):
        learn_to_reverse(architecture, 1e-2)


def learn_to_reverse(architecture, lr):
    model, generator = architecture.build(12), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    for step in range(1000):
        batch = reversal(generator, 64)
        gold = batch.target[:, 1:]
        features, state = model.features(batch.source, batch.lengths, batch.target[:, :-1])
        loss = model.output.loss(features, gold, state).total / (gold != PAD).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step > 100 and step % 25 == 0 and loss < 0.004:
            break
    model.eval()
    batch = reversal(generator, 100)
    with torch.inference_mode():
        state = model.encode(batch.source, batch.lengths)
    found = greedy_search(model.step, state, bos=BOS, eos=EOS, max_length=8)
    wanted = [[t for t in row[1:] if t != PAD] for row in batch.target.tolist()]
    assert sum(h.tokens == row for [h], row in zip(found, wanted, strict=True)) >= 95
