"""Every random choice is drawn from a seed of its own, so that none depends on what was drawn before it."""

import numpy as np

# One number a purpose keeps two purposes with equal keys (say, epoch 0 and split 0) from sharing a stream.
INITIAL_WEIGHTS, EPOCH, SHUFFLE, AUGMENT, SUBSET, BALANCE, BOOTSTRAP, PICTURES, CALIBRATION = range(9)


def derive_seed(purpose: int, *keys: int) -> int:
    """Return a seed in [0, 2**32) that depends on the purpose and the keys alone.

    Args:
        purpose: one of this module's constants.
        keys: non-negative integers, such as seed, fold and epoch.
    """
    return int(np.random.SeedSequence([purpose, *keys]).generate_state(1)[0])
