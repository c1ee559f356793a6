r"""Random numbers that are computed from a seed and an index, not drawn in turn.

A stream is a 64-bit number. Every stream :math:`s` has 64 random bits for every index :math:`i`
(SplitMix64, Steele 2014, https://doi.org/10.1145/2660193.2660195):

.. math:: \operatorname{bits}(s, i) = \operatorname{mix}(s + (i + 1) \gamma)

These bits may be a stream again. So the noise of a token is a function of the seed, of the key of
its sentence, of the number of the sample and of what came before the token: it is the same in
whatever batch, order or process the sentence is decoded.
"""

import torch
from torch import Tensor

GAMMA = 0x9E3779B97F4A7C15 - 2**64  # as int64, which wraps around
MIX_1 = 0xBF58476D1CE4E5B9 - 2**64
MIX_2 = 0x94D049BB133111EB - 2**64


def bits_at(streams: Tensor, index: Tensor) -> Tensor:
    """The 64 random bits of each stream at an index.

    Args:
        streams: any 64 bits, (...), int64.
        index: which of a stream's numbers, int64, to be broadcast with ``streams``.

    Returns:
        A tensor of the broadcast shape, int64, uniform over all its values.

    >>> bits_at(torch.tensor(1234567), torch.tensor([0, 1]))
    tensor([6457827717110365317, 3203168211198807973])
    """
    z = streams + (index + 1) * GAMMA
    for shift, factor in ((30, MIX_1), (27, MIX_2), (31, 1)):
        z ^= _shifted(z, shift)
        z *= factor
    return z


def gumbel_at(streams: Tensor, index: Tensor) -> Tensor:
    """Standard Gumbel noise of each stream at an index, as :func:`bits_at`, float64."""
    uniform = _shifted(bits_at(streams, index), 12).double()
    uniform += 0.5
    uniform *= 2.0**-52  # in the open interval (0, 1)
    return uniform.log_().neg_().log_().neg_()


def gumbels(streams: Tensor, count: int) -> Tensor:
    """:func:`gumbel_at` of streams (...) at the indices from 0, (..., count), float64."""
    return gumbel_at(streams[..., None], torch.arange(count, device=streams.device))


def seed_of(generator: torch.Generator | int | None) -> int:
    """A seed: the one that is given, or one drawn from a generator, by default torch's own."""
    if isinstance(generator, int):
        return generator % 2**63
    device = "cpu" if generator is None else generator.device
    drawn = torch.randint(2**63 - 1, (), generator=generator, device=device)
    return int(drawn)


def sentence_streams(
    generator: torch.Generator | int | None, keys: Tensor | None, sentences: Tensor
) -> Tensor:
    """A stream for each sentence, by its key.

    Args:
        generator: a seed, or a generator that one is drawn from.
        keys: a whole number for each sentence, (sentences,), or None for the sentences' own.
        sentences: their numbers, (sentences,), int64.

    Returns:
        Streams, (sentences,), int64.

    Raises:
        ValueError: ``keys`` has another shape, or a floating-point dtype.
    """
    if keys is None:
        keys = sentences
    elif keys.shape != sentences.shape or keys.is_floating_point():
        raise ValueError(
            f"keys must be whole numbers with shape ({len(sentences)},), got "
            f"{tuple(keys.shape)} of {keys.dtype}"
        )
    keys = keys.to(device=sentences.device, dtype=torch.long)
    return bits_at(torch.full_like(keys, seed_of(generator)), keys)


def _shifted(x: Tensor, bits: int) -> Tensor:
    """``x``, int64, shifted right with zeros from the left, where ``>>`` repeats the sign."""
    return (x >> bits).bitwise_and_((1 << (64 - bits)) - 1)
