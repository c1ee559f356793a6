"""What defines a layer is shown by its ``repr``."""

import pytest
import torch

from huashi import convolution, pooling

LAYERS = [
    (pooling.GeMPool1d(2, p=5.0, eps=1e-3), "p=5, eps=0.001"),
    (pooling.AdaptiveGeMPool3d(2, p=4.5), "output_size=2, p=4.5, eps=1e-06"),
    (pooling.GlobalGeMPool(p=2.5), "p=2.5, eps=1e-06"),
    (
        pooling.LogSumExpPool2d(3, r=7.0),
        "kernel_size=3, stride=3, padding=0, dilation=1, ceil_mode=False, r=7",
    ),
    (pooling.GlobalLogSumExpPool(r=0.25), "r=0.25"),
    (pooling.QuantilePool2d(2, q=0.3), "q=0.3"),
    (pooling.LPPool2d(3, 2), "norm_type=3"),
    (pooling.AvgPool2d(2, divisor_override=3), "count_include_pad=True, divisor_override=3"),
    (
        convolution.LightweightConv1d(8, 4, 3, padding="left"),
        "heads=4, kernel_size=3, padding=left, dropout=0.0",
    ),
    (
        convolution.DynamicConv1d(8, 2, 5, dropout=0.1),
        "heads=2, kernel_size=5, padding=same, dropout=0.1",
    ),
]


@pytest.mark.parametrize(("layer", "shown"), LAYERS, ids=lambda x: type(x).__name__)
def test_layers_tell_what_defines_them(layer, shown):
    assert shown in repr(layer)


def test_a_learned_number_is_shown_as_it_is_now():
    layer = pooling.GeMPool2d(2)
    with torch.no_grad():
        layer.p.fill_(1.23456)
    assert "p=1.235" in repr(layer)
    assert "p=?" in repr(layer.to("meta"))
