"""Modules name the shape that they are built from where they are given something else."""

import copy

import pytest
from torch import nn

from huashi import seq2seq
from huashi.seq2seq.architecture import DECODERS, ENCODERS, Architecture

SHAPES = (*ENCODERS.values(), *DECODERS.values())


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_builds_the_module_of_its_name(shape):
    module = getattr(seq2seq, shape.__name__.removesuffix("Shape"))
    one = shape(embedding_size=48)
    memory_size = () if shape in ENCODERS.values() else (getattr(one, "hidden_size", 48),)
    built = one.build(one.embed(9), *memory_size)
    assert type(built) is module
    assert isinstance(built, nn.Module)
    made = module(one, one.embed(9), *memory_size)  # as torch's modules are made
    assert str(made) == str(built)
    assert str(copy.deepcopy(made)) == str(built)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_was_a_shape_still_makes_one_and_says_what_to_write(shape):
    module = getattr(seq2seq, shape.__name__.removesuffix("Shape"))
    told = rf"write {shape.__name__}\(embedding_size=48, dropout=0.2\) for the shape"
    with pytest.warns(DeprecationWarning, match=told) as found:
        old = module(embedding_size=48, dropout=0.2)
    assert old == shape(embedding_size=48, dropout=0.2)
    assert found[0].filename == __file__
    with (
        pytest.warns(DeprecationWarning, match="size=3"),
        pytest.raises(TypeError, match="unexpected keyword argument 'size'"),
    ):
        module(size=3)
    with pytest.raises(TypeError, match=f"shape must be a {shape.__name__}, got NoneType"):
        module()
    with pytest.raises(TypeError, match=rf"shape must be a {shape.__name__}, got int"):
        module(3, nn.Embedding(2, 2))


def test_an_architecture_is_made_of_shapes():
    encoder, decoder = ENCODERS["rnn"](), DECODERS["rnn"]()
    module = encoder.build(encoder.embed(9))
    with pytest.raises(
        TypeError, match=r"encoder must be a shape such as RNNEncoderShape\(\), got"
    ):
        Architecture(encoder=module, decoder=decoder)
    with pytest.raises(
        TypeError, match=r"decoder must be a shape such as RNNEncoderShape\(\), got"
    ):
        Architecture(encoder=encoder, decoder=module)
