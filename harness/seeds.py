"""Seeds derived from seeds, so that every random draw of a study depends on the study's own seed alone."""

import numpy as np


def derive_seed(seed: int, index: int) -> int:
    """A generator's seed in [0, 2^63) from two numbers of at least 0, so that neighbours are unrelated.

    Example:
        >>> derive_seed(0, 0) == derive_seed(0, 0), derive_seed(0, 0) == derive_seed(0, 1)
        (True, False)
    """
    return int(np.random.SeedSequence((seed, index)).generate_state(1, np.uint64)[0] >> 1)
