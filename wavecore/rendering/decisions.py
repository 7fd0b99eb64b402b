"""A line of notes in the words of a bottleneck of notes: no sound has to be made and heard.

An encoder with such a bottleneck says of every frame which notes sound, whether one begins and how
loud it is (``models.note_bottleneck``).  A score knows that already.
"""

from __future__ import annotations

import numpy as np

from wavecore.nn.note_bottleneck import HIGHEST, LEVELS, LOWEST, N_CODES, N_PITCHES
from wavecore.symbolic.score import Score

SURE = 30.0
"""A logit that no rounding changes."""
REFERENCE_VELOCITY = 90
REFERENCE_LEVEL = 5
"""Of ``LEVELS`` - 1 steps, for a note of that velocity."""
STEP_DB = 80.0 / (LEVELS - 1)


def answers(line: Score, begin: int, n_frames: int, *, frame_s: float, octave: int = 0) -> np.ndarray:
    """Say what an encoder would answer to a stretch of a line.

    Parameters
    ----------
    line : Score
        One note at a time.
    begin : int
        The first frame; before 0 nothing sounds.
    frame_s : float
        Length of a frame, in seconds.
    octave : int
        Octaves by which the line is higher than written and, as a tape that runs faster, two to that power faster.

    Returns
    -------
    ndarray, shape (n_frames, N_CODES), float32
        Logits.  A note sounds in the frames whose middle it covers, one frame at least, as in training; notes beyond the
        bottleneck's are silent.  The level falls with the square of the velocity.
    """
    found = np.full((n_frames, N_CODES), -SURE, np.float32)
    speed = 2.0**octave
    for note in line.notes:
        first, last = (round(at / speed / frame_s) - begin for at in (note.onset_s, note.end_s))
        struck = int(note.onset_s / speed / frame_s) - begin
        pitch = note.pitch + 12 * octave
        if not LOWEST <= pitch <= HIGHEST or struck >= n_frames or max(last, first + 1) <= 0:
            continue
        sounding = slice(max(0, first), max(0, last, first + 1))
        found[sounding, 2 * (pitch - LOWEST)] = SURE
        found[sounding, -1] = _logit(_level(note.velocity))
        if struck >= 0:
            found[struck, N_PITCHES] = SURE
    return found


def _level(velocity: int) -> int:
    """Steps of the level, 1 to all."""
    fall_db = 40 * np.log10(velocity / REFERENCE_VELOCITY)
    return int(np.clip(REFERENCE_LEVEL + round(fall_db / STEP_DB), 1, LEVELS - 1))


def _logit(steps: int) -> float:
    """What is rounded to so many steps."""
    share = steps / (LEVELS - 1)
    return SURE if share >= 1 else float(np.log(share / (1 - share)))
