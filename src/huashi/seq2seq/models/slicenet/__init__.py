"""SliceNet: depthwise separable convolutions over time, with attention."""

from huashi.seq2seq.models.slicenet.coders import (
    SliceNetDecoder,
    SliceNetDecoderShape,
    SliceNetEncoder,
    SliceNetEncoderShape,
)

__all__ = ["SliceNetDecoder", "SliceNetDecoderShape", "SliceNetEncoder", "SliceNetEncoderShape"]
