"""Derivation of an independent seed for each random choice, so that no result depends on earlier draws."""

import numpy as np

# Purposes. The number keeps two purposes with equal keys, such as epoch 0 and split 0, from sharing a random stream.
INITIAL_WEIGHTS, EPOCH, SHUFFLE, AUGMENT, SUBSET, BALANCE, BOOTSTRAP, PICTURES, CALIBRATION = range(9)


def derive_seed(purpose: int, *keys: int) -> int:
    """Return a seed that depends only on the purpose and the keys.

    Args:
        purpose: one of the constants of this module.
        keys: non-negative integers, such as seed, fold and epoch.

    Returns:
        An integer in [0, 2**32), from ``numpy.random.SeedSequence``.
    """
    return int(np.random.SeedSequence([purpose, *keys]).generate_state(1)[0])
