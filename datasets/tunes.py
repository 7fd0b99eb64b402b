"""A few old tunes as notes, for demonstrations and tests.

All are in the public domain. They lie between MIDI 60 and 79, so that they can be whistled an octave higher.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wavecore.datasets.synths import whistle
from wavecore.errors import UsageError
from wavecore.symbolic.score import Note, Score, transpose

LICENCE = "public domain"
ARTICULATION = 0.95
"""Share of its length for which a note sounds: separated from the next one, but within one breath."""
VELOCITY_ON_BEAT, VELOCITY_OFF_BEAT = 96, 88
_STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}


@dataclass(frozen=True)
class _Tune:
    """A tune in letters: a pitch is a letter, # or b, and an octave (a4 is 440 Hz); beats follow the colon."""

    title: str
    origin: str
    beat_s: float
    notes: str


_TUNES = {
    "ode-to-joy": _Tune(
        "Ode to Joy",
        "Ludwig van Beethoven, Symphony No. 9, 1824",
        0.36,
        "f#4:1 f#4:1 g4:1 a4:1 a4:1 g4:1 f#4:1 e4:1 d4:1 d4:1 e4:1 f#4:1 f#4:1.5 e4:0.5 e4:2",
    ),
    "greensleeves": _Tune(
        "Greensleeves",
        "English, 16th century",
        0.245,
        "a4:1 c5:2 d5:1 e5:1.5 f#5:0.5 e5:1 d5:2 b4:1 g4:1.5 a4:0.5 b4:1 c5:2 a4:1 a4:1.5 g#4:0.5 a4:1 b4:2 g#4:1 e4:2",
    ),
    "minuet": _Tune(
        "Minuet in G",
        "Christian Petzold, about 1725, from the notebook for Anna Magdalena Bach",
        0.46,
        "d5:1 g4:0.5 a4:0.5 b4:0.5 c5:0.5 d5:1 g4:1 g4:1 e5:1 c5:0.5 d5:0.5 e5:0.5 f#5:0.5 g5:1 g4:1 g4:1",
    ),
    "twinkle": _Tune(
        "Ah! vous dirai-je, maman",
        "French, about 1760",
        0.36,
        "c4:1 c4:1 g4:1 g4:1 a4:1 a4:1 g4:2 f4:1 f4:1 e4:1 e4:1 d4:1 d4:1 c4:2",
    ),
}
NAMES = tuple(_TUNES)


def tune(name: str) -> Score:
    """Return one of the tunes in `NAMES` as a monophonic score of 5 to 6 seconds, MIDI 60 to 79.

    Raises
    ------
    UsageError
        If there is no such tune.

    Examples
    --------
    >>> [note.pitch for note in tune("twinkle").notes[:7]]
    [60, 60, 67, 67, 69, 69, 67]
    """
    if name not in _TUNES:
        raise UsageError(f"there is no tune {name!r}; choose from {', '.join(NAMES)}")
    written = _TUNES[name]
    notes, beat = [], 0.0
    for word in written.notes.split():
        pitch, _, beats = word.partition(":")
        length_s = float(beats) * written.beat_s
        velocity = VELOCITY_ON_BEAT if beat == int(beat) else VELOCITY_OFF_BEAT
        notes.append(Note(beat * written.beat_s, ARTICULATION * length_s, _midi(pitch), velocity))
        beat += float(beats)
    return Score(tuple(notes), name=name, source=f"{written.title}: {written.origin}", licence=LICENCE)


def whistled(name: str, *, seed: int, sample_rate: int) -> np.ndarray:
    """Whistle a tune in the nearest octave that can be whistled; return samples of shape (T,), float32."""
    score = tune(name)
    score = transpose(score, 12 * min(whistle.octaves_in_range(score), key=abs))
    return whistle.whistle(score, rng=np.random.default_rng(seed), sample_rate=sample_rate)


def _midi(pitch: str) -> int:
    """Convert ``"a4"`` to 69."""
    step = _STEPS[pitch[0]] + {"#": 1, "b": -1}.get(pitch[1:2], 0)
    return step + 12 * (int(pitch[-1]) + 1)
