"""Rests put into crops of music: input and target fall silent, and the decoder's past need not.

Melodies seldom rest, and a decoder that has hardly met a rest goes on with the tone that it hears
itself sing, whatever the latent says.  Here it hears the tone go on, and is to end it.
"""

from __future__ import annotations

import numpy as np

SHORTEST_S, LONGEST_S = 0.1, 1.0
"""Of a rest."""
FADE_S = 0.03
"""In which the sound goes, and comes again."""


def rest_gain(n_samples: int, *, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Draw where a passage rests.

    Parameters
    ----------
    n_samples : int
        Length T of the passage.
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (T,), float32 in [0, 1]
        By which the passage is multiplied: 0 in the rest, which may begin before the passage and end after it, 1 away from it.
    """
    length = rng.uniform(SHORTEST_S, LONGEST_S) * sample_rate
    # Each place of the passage is as likely to lie in a rest, its ends too.
    begin = rng.uniform(-length, n_samples)
    at = np.arange(n_samples)
    outside = np.maximum(begin - at, at - (begin + length))
    return np.clip(outside / (FADE_S * sample_rate), 0.0, 1.0).astype(np.float32)
