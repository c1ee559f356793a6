"""An encoder, a decoder and an output mapping put together, and the published combinations."""

from huashi.seq2seq.architecture.architecture import (
    DECODERS,
    ENCODERS,
    Architecture,
    FusedArchitecture,
    architecture_of,
    build,
    describe,
)

__all__ = [
    "DECODERS",
    "ENCODERS",
    "Architecture",
    "FusedArchitecture",
    "architecture_of",
    "build",
    "describe",
]
