"""What a model must remember of the data it was trained on.

Beside the data set's own summary: the range of pitches each domain played,
which ``--octave auto`` aims at, and the level its inputs had.
"""

from __future__ import annotations

import numpy as np

from wavecore.audio import mulaw
from wavecore.datasets.domains.reader import DomainsDataset

PIECES = 40
"""Pieces per domain that are measured for the level."""

RANGE_QUANTILES = (0.01, 0.99)
FRAME_S = 0.05
LOUD_QUANTILE = 0.9
SILENCE_DB = -70.0


def describe(dataset: DomainsDataset) -> dict:
    """Summarise a data set for a model's card.

    Returns
    -------
    dict
        ``dataset.summary()`` with ``level_db`` (of the louder parts, relative to full
        scale; see ``wavecore.models.translation.survey``) and ``midi_ranges`` (domain to lowest and highest
        MIDI note number; domains whose notes are unknown are left out).
    """
    levels = [level for domain in dataset.domains for level in _levels_db(dataset, domain)]
    ranges = {domain: _midi_range(dataset, domain) for domain in dataset.domains}
    return dataset.summary() | {
        "level_db": round(float(np.median(levels)), 1),
        "midi_ranges": {domain: found for domain, found in ranges.items() if found is not None},
    }


def _midi_range(dataset: DomainsDataset, domain: str) -> list[float] | None:
    """Quantiles of the pitches that sounded, weighted by how long they did."""
    sounded = [
        (note[2] + 12 * piece.domains[domain].octave, note[1])
        for piece in dataset.pieces("train", domain=domain)
        for note in piece.notes
    ]
    if not sounded:
        return None
    pitches, durations = (np.array(values, dtype=float) for values in zip(*sorted(sounded), strict=True))
    position = np.cumsum(durations) / durations.sum()
    return [float(pitches[np.searchsorted(position, q)]) for q in RANGE_QUANTILES]


def _levels_db(dataset: DomainsDataset, domain: str) -> list[float]:
    """The level of the louder parts of some pieces."""
    frame = int(FRAME_S * dataset.sample_rate)
    levels = []
    for piece in dataset.pieces("train", domain=domain)[:PIECES]:
        x = mulaw.decode(dataset.codes(piece, domain)).astype(np.float64)
        power = np.square(x[: len(x) // frame * frame].reshape(-1, frame)).mean(axis=1)
        db = 10 * np.log10(power + 1e-12)
        if (db > SILENCE_DB).any():
            levels.append(float(np.quantile(db[db > SILENCE_DB], LOUD_QUANTILE)))
    return levels
