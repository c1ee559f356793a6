"""SliceNet's convolutions against loops and counts, and what its parts see."""

import pytest
import torch
from torch.testing import assert_close

from huashi.convolution.separable import ConvStep
from huashi.seq2seq import SliceNetDecoderShape, SliceNetEncoderShape, SubSeparableConv1d
from huashi.seq2seq.architecture.published import slicenet
from huashi.seq2seq.models.slicenet.modules import ConvModule, Symbols


def by_hand(layer, x, kernel, dilation, left):
    """The layer's results, every one a sum over taps, channels and groups written out."""
    convolution = layer.convolution
    batch, time, channels = x.shape
    y = torch.zeros(batch, time, convolution.out_channels).double()
    a, b = channels // convolution.groups, convolution.out_channels // convolution.groups
    for t in range(time):
        for out in range(convolution.out_channels):
            for j in range(kernel):
                place = t + j * dilation - left
                if 0 <= place < time:
                    seen = x[:, place, out // b * a : out // b * a + a]
                    y[:, t, out] += seen @ convolution.weight[out, :, j]
    if layer.mix is None:
        return y
    a = y.shape[-1] // layer.mix.groups
    b = layer.mix.out_channels // layer.mix.groups
    mixed = [
        y[..., o // b * a : o // b * a + a] @ layer.mix.weight[o, :, 0]
        for o in range(layer.mix.out_channels)
    ]
    return torch.stack(mixed, -1)


@pytest.mark.parametrize("separability", [0, 1, 2, 3, -1, -2, -3])
@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (3, 2), (4, 1), (1, 1)])
def test_is_the_sum_over_taps(separability, kernel, dilation):
    settings = {"separability": separability, "dilation": dilation}
    x, reach = torch.randn(2, 6, 6).double(), (kernel - 1) * dilation
    for padding, left in (("same", reach // 2), ("left", reach)):
        layer = SubSeparableConv1d(6, 12, kernel, padding=padding, **settings).double()
        assert_close(layer(x), by_hand(layer, x, kernel, dilation, left))


@pytest.mark.parametrize("c", [12, 24])
@pytest.mark.parametrize("k", [3, 31])
def test_has_as_many_weights_as_published(c, k):
    def count(separability):
        layer = SubSeparableConv1d(c, c, k, separability=separability)
        return sum(weight.numel() for weight in layer.parameters())

    assert count(1) == k * c**2
    assert count(0) == count(-1) == k * c + c**2
    for g in (2, 3, 4):
        assert count(g) == k * c**2 // g + c**2
        assert count(-g) == k * c + c**2 // g


def test_a_step_of_masked_frames_is_that_of_zeros():
    step = ConvStep(6, 6, 3, separability=-2).double()
    x = torch.randn(2, 5, 6).double()
    mask = torch.tensor([[True] * 3 + [False] * 2, [False] * 5])[..., None]
    assert_close(step(x, mask), step(torch.where(mask, x, 0.0)))
    assert_close(step(x), step.norm(step.convolution(x.clamp(min=0))))


def test_a_step_resumed_is_the_whole_step():
    step = ConvStep(6, 6, 5, dilation=4, padding="valid").double()
    x = torch.randn(2, 30, 6).double()
    whole, _ = step.resume(x, step.start(x))
    frames, pieces = step.start(x), []
    for piece in x.split([1, 20, 2, 7], 1):
        y, frames = step.resume(piece, frames)
        pieces.append(y)
    assert_close(torch.cat(pieces, 1), whole)


def test_a_module_sees_the_reach_of_its_kernels():
    module = ConvModule(6, (3, 7, 15, 31), (1, 2, 1, 1), -2, "same").double()
    x = torch.randn(1, 161, 6).double().requires_grad_()
    module(x, torch.ones(1, 161, 1).double())[0, 80].sum().backward()
    seen = x.grad.abs().sum(-1)[0].nonzero()
    reach = (2 + 6 * 2 + 14 + 30) // 2
    assert (80 - seen.min(), seen.max() - 80) == (reach, reach)


def test_a_module_is_two_stacks_and_residual_sums():
    module = ConvModule(6, (3, 3, 3, 3), (1, 1, 1, 1), -2, "same").double()
    groups = [step.convolution.mix.groups for step in module.steps]
    assert groups == [3, 2, 3, 2]
    first, second, third, fourth = module.steps
    x = torch.randn(2, 7, 6).double()
    y = second(first(x))
    assert_close(module(x, torch.ones(2, 7, 1)), x + (fourth(third(x + y)) + y))


def test_a_sentence_of_nothing_is_zero():
    shape = SliceNetEncoderShape(embedding_size=12, layers=2)
    with torch.no_grad():
        memory = shape.build(shape.embed(9))(torch.randint(9, (2, 5)), torch.tensor([0, 3]))
    assert (memory.keys[0] == 0).all()
    assert (memory.keys[1, 3:] == 0).all()
    for attention in ("inner_product", "multi_head"):
        shape = SliceNetDecoderShape(embedding_size=24, layers=1, attention=attention)
        decoder = shape.build(shape.embed(9), 12)
        features, state = decoder(torch.randint(9, (2, 3)), decoder.start(memory))
        assert features.isfinite().all()
        assert (state.alignment[0] == 0).all()
        features.sum().backward()
        assert all(w.grad is None or w.grad.isfinite().all() for w in decoder.parameters())


def test_whole_symbols_are_dropped_in_training():
    symbols = Symbols(torch.nn.Embedding(9, 4), 0.5)
    tokens = torch.randint(9, (20, 20))
    ratio = symbols(tokens) / symbols.eval()(tokens)
    assert ((ratio == 0).all(-1) | (ratio == 1).all(-1)).all()
    assert 0.4 < ratio.mean() < 0.6


def test_sizes_as_published():
    architecture = slicenet(layers=4)
    assert architecture.encoder.layers == 6
    assert architecture.decoder.layers == 4
    assert architecture.encoder.embedding_size == 768


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ({"embedding_size": 8}, "embedding_size must be a multiple of 3 for a separability of -3"),
        ({"kernel_scheme": "3.7"}, "kernel_scheme must be one of"),
        ({"kernel_scheme": "3.7.15.31.63"}, "dilation_scheme must have as many numbers"),
        ({"symbol_dropout": 1}, r"symbol_dropout must be in \[0, 1\), got 1"),
    ],
)
def test_a_wrong_shape_is_refused(setting, complaint):
    for shape in (SliceNetEncoderShape, SliceNetDecoderShape):
        with pytest.raises(ValueError, match=complaint):
            shape(**setting)
