"""The Transformer: torch's own layers where torch has them, its positions by hand."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from huashi.seq2seq.model.protocol import Memory
from huashi.seq2seq.models.transformer import TransformerDecoderShape, TransformerEncoderShape
from huashi.seq2seq.models.transformer.positions import sinusoids

SIZE = {"embedding_size": 8, "layers": 2, "heads": 2, "feed_forward_size": 12, "dropout": 0.0}


def copy_attention(theirs, ours):
    parts = ours.query, ours.key, ours.value
    theirs.in_proj_weight.data = torch.cat([part.weight for part in parts])
    theirs.in_proj_bias.data = torch.cat([part.bias.data.normal_() for part in parts])
    theirs.out_proj.load_state_dict(ours.output.state_dict())


def copy_feed_forward(theirs, ours):
    theirs.linear1.load_state_dict(ours.inner.state_dict())
    theirs.linear2.load_state_dict(ours.outer.state_dict())


def torch_layer(kind, norm):
    settings = {"norm_first": norm == "pre", "batch_first": True, "layer_norm_eps": 1e-6}
    return kind(8, 2, 12, 0.0, "gelu", **settings).double()


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_encoder_is_that_of_torch(norm):
    shape = TransformerEncoderShape(norm=norm, activation="gelu", **SIZE)
    encoder = shape.build(shape.embed(9)).double().eval()
    source, lengths = torch.randint(9, (2, 5)), torch.tensor([3, 5])
    memory = encoder(source, lengths)
    x = encoder.embedding(source)
    for ours in encoder.layers:
        theirs = torch_layer(nn.TransformerEncoderLayer, norm)
        copy_attention(theirs.self_attn, ours.attention)
        copy_feed_forward(theirs, ours.feed_forward)
        theirs.norm1.load_state_dict(ours.residual.norm.state_dict())
        theirs.norm2.load_state_dict(ours.feed_forward.residual.norm.state_dict())
        x = theirs(x, src_key_padding_mask=~memory.mask)
    memory = encoder(source, lengths)  # the biases are no longer zero
    assert_close(memory.keys[memory.mask], encoder.norm(x)[memory.mask])


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_decoder_is_that_of_torch(norm):
    shape = TransformerDecoderShape(norm=norm, activation="gelu", **SIZE)
    decoder = shape.build(shape.embed(9), 8).double().eval()
    known, tokens = torch.randn(2, 5, 8).double(), torch.randint(9, (2, 4))
    mask = torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    x = decoder.embedding(tokens)
    for ours in decoder.layers:
        theirs = torch_layer(nn.TransformerDecoderLayer, norm)
        copy_attention(theirs.self_attn, ours.attention)
        copy_attention(theirs.multihead_attn, ours.source_attention)
        copy_feed_forward(theirs, ours.feed_forward)
        theirs.norm1.load_state_dict(ours.residual.norm.state_dict())
        theirs.norm2.load_state_dict(ours.source_residual.norm.state_dict())
        theirs.norm3.load_state_dict(ours.feed_forward.residual.norm.state_dict())
        future = torch.ones(4, 4, dtype=torch.bool).triu(1)
        x = theirs(x, known, tgt_mask=future, memory_key_padding_mask=~mask)
    features, _ = decoder(tokens, decoder.start(Memory(known, known, mask)))
    assert_close(features, decoder.norm(x))


def test_positions_are_those_of_the_paper_and_of_its_program():
    paper = sinusoids("sinusoidal", 3, 4, 6, like=torch.zeros(()))[0].tolist()
    angles = [3 / 10000 ** (2 * i / 6) for i in range(3)]
    assert paper == pytest.approx([f(a) for a in angles for f in (math.sin, math.cos)])
    program = sinusoids("tensor2tensor", 3, 4, 6, like=torch.zeros(()))
    angles = [3 / 10000 ** (i / 2) for i in range(3)]
    assert program[0].tolist() == pytest.approx(
        [f(a) for f in (math.sin, math.cos) for a in angles]
    )
    assert_close(sinusoids("opennmt_tf", 2, 3, 6, like=torch.zeros(())), program)


def test_alignment_is_the_mean_over_heads_and_only_made_out_of_training():
    shape = TransformerDecoderShape(**SIZE)
    decoder = shape.build(shape.embed(9), 8)
    known, mask = torch.randn(1, 3, 8), torch.ones(1, 3, dtype=torch.bool)
    start = decoder.start(Memory(known, known, mask))
    assert not decoder.train()(torch.tensor([[1, 2]]), start)[1].alignment.any()
    _, state = decoder.eval()(torch.tensor([[1, 2]]), start)
    assert_close(state.alignment.sum(2), torch.ones(1, 2))


def test_learned_positions_have_an_end():
    shape = TransformerEncoderShape(positions="learned", max_length=3, **SIZE)
    encoder = shape.build(shape.embed(9))
    with pytest.raises(ValueError, match=r"tokens must be at most 3, as many .*, got 4"):
        encoder(torch.zeros(1, 4, dtype=torch.long), torch.tensor([4]))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"heads": 3}, "size must be a multiple of heads, got 8 for 3 heads"),
        ({"norm": "prae"}, "norm must be one of 'pre', 'post', got 'prae'"),
        ({"activation": "rely"}, "activation must be one of .*; did you mean 'relu'"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"embedding_size": 7, "heads": 1}, "embedding_size must be even for sinusoidal"),
    ],
)
def test_wrong_settings_are_refused(change, complaint):
    for shape in (TransformerEncoderShape, TransformerDecoderShape):
        with pytest.raises(ValueError, match=complaint):
            shape(**{**SIZE, **change})
