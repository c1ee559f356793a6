r"""Random numbers that are looked up, not drawn in turn.

A stream is a 64-bit number, and every stream has a number for every index (SplitMix64, Steele 2014,
https://doi.org/10.1145/2660193.2660195):

.. math:: \operatorname{number}(s, i) = \operatorname{mix}(s + (i + 1) \gamma)

which may be the stream of what comes next. So the noise of a token is a function of the seed, of
its sentence's key, of the sample and of what came before the token: it is the same in whatever
batch, order or process the sentence is decoded.
"""

import torch
from torch import Tensor

GAMMA = 0x9E3779B97F4A7C15 - 2**64  # as int64, which wraps around
MIX_1 = 0xBF58476D1CE4E5B9 - 2**64
MIX_2 = 0x94D049BB133111EB - 2**64


def number(streams: Tensor, index: Tensor) -> Tensor:
    """The number of each stream at an index from 0, all 64 bits of an int64.

    >>> number(torch.tensor(1234567), torch.tensor([0, 1]))
    tensor([6457827717110365317, 3203168211198807973])
    """
    z = streams + (index + 1) * GAMMA
    for bits, factor in ((30, MIX_1), (27, MIX_2), (31, 1)):
        z ^= _shifted(z, bits)
        z *= factor
    return z


def gumbel(streams: Tensor, index: Tensor) -> Tensor:
    """Standard Gumbel noise in float64, of each stream at an index."""
    uniform = _shifted(number(streams, index), 12).double()
    uniform += 0.5
    uniform *= 2.0**-52  # in the open interval (0, 1)
    return uniform.log_().neg_().log_().neg_()


def gumbels(streams: Tensor, count: int) -> Tensor:
    """:func:`gumbel` of (...) at the first ``count`` indices, (..., count)."""
    return gumbel(streams[..., None], torch.arange(count, device=streams.device))


def seed_of(generator: torch.Generator | int | None) -> int:
    """A seed: the one that is given, or a number from a generator, by default torch's own."""
    if isinstance(generator, int):
        return generator % 2**63
    device = "cpu" if generator is None else generator.device
    drawn = torch.randint(2**63 - 1, (), generator=generator, device=device)
    return int(drawn)


def sentence_streams(
    generator: torch.Generator | int | None, keys: Tensor | None, sentences: Tensor
) -> Tensor:
    """A stream for each of ``sentences``, (sentences,), by its key, or else by its number."""
    if keys is None:
        keys = sentences
    elif keys.shape != sentences.shape or keys.is_floating_point():
        raise ValueError(
            f"keys must be whole numbers with shape ({len(sentences)},), got "
            f"{tuple(keys.shape)} of {keys.dtype}"
        )
    keys = keys.to(device=sentences.device, dtype=torch.long)
    return number(torch.full_like(keys, seed_of(generator)), keys)


def _shifted(x: Tensor, bits: int) -> Tensor:
    """To the right, zeros from the left: int64 alone would repeat the sign."""
    return (x >> bits).bitwise_and_((1 << (64 - bits)) - 1)
