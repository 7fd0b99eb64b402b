"""The past that a decoder is shown in training: not always the one that it should have said.

A decoder that only ever saw perfect pasts leans on them, and does not know what to do with its own slips.
"""

from __future__ import annotations

import numpy as np

from wavecore.audio import mulaw
from wavecore.training import augmentation
from wavecore.training.config import TrainingConfig


def spoil_history(
    codes: np.ndarray, training: TrainingConfig, *, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Silence, overlay, lift or blur a past, each as often as the settings say.

    Parameters
    ----------
    codes : ndarray, shape (T,), uint8
        Mu-law codes of what is to be said.
    training : TrainingConfig
        Its ``history_*`` settings.
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (T,), uint8
        The same array where nothing happens to it.
    """
    blur = rng.random() < training.context_noise_probability
    drop = rng.random() < training.context_dropout_probability
    # Not drawn where it is not asked for: the draws of older runs stay what they were.
    tone = training.context_tone_probability and rng.random() < training.context_tone_probability
    lift = training.context_offset_probability and rng.random() < training.context_offset_probability
    if not (blur or drop or tone or lift):
        return codes
    x, loudest_db = mulaw.decode(codes), training.context_noise_db
    if drop:
        x = augmentation.drop_history(x, sample_rate=sample_rate, rng=rng)
    if tone:
        x = augmentation.add_history_tone(x, sample_rate=sample_rate, rng=rng, loudest_db=loudest_db)
    if lift:
        x = augmentation.add_history_offset(x, rng=rng)
    return mulaw.encode(augmentation.add_history_noise(x, rng=rng, loudest_db=loudest_db) if blur else x)
