"""SliceNet: depthwise separable convolutions over time, with attention."""

from huashi.seq2seq.models.slicenet.coders import SliceNetDecoder, SliceNetEncoder

__all__ = ["SliceNetDecoder", "SliceNetEncoder"]
