"""Seeds of any size, where torch takes 64 bits."""

import numpy as np


def torch_seed(number: int) -> int:
    """What torch takes for a seed: ``number`` itself below 2^63, and 64 bits of a hash from there.

    Args:
        number: at least 0.

    >>> torch_seed(12345), torch_seed(2**70) == torch_seed(2**71)
    (12345, False)
    """
    if number < 2**63:
        return number
    return int(np.random.SeedSequence(number).generate_state(1, np.uint64)[0])
