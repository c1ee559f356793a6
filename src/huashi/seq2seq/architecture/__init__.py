"""An encoder, a decoder and an output mapping put together, and the published combinations."""

from huashi.seq2seq.architecture.architecture import Architecture, FusedArchitecture
from huashi.seq2seq.architecture.description import architecture_of, build, describe
from huashi.seq2seq.architecture.kinds import DECODERS, ENCODERS

__all__ = [
    "DECODERS",
    "ENCODERS",
    "Architecture",
    "FusedArchitecture",
    "architecture_of",
    "build",
    "describe",
]
