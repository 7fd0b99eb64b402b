"""A few old tunes as notes, for demonstrations and tests.

All are in the public domain and were written down here from their melodies.
They lie between MIDI 60 and 79, so that an octave higher they can be whistled.
"""

from __future__ import annotations

from dataclasses import dataclass

from wavecore.errors import UsageError
from wavecore.symbolic.score import Note, Score

LICENCE = "public domain"
# A note sounds for this share of its length: tongued, yet sung in one breath.
ARTICULATION = 0.95
STRESS = {True: 96, False: 88}
_STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}


@dataclass(frozen=True)
class _Tune:
    title: str
    origin: str
    beat_s: float
    # Letter, optional # or b, octave (a4 is 440 Hz), then beats after a colon.
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
    """Return a tune.

    Parameters
    ----------
    name : str
        One of `NAMES`.

    Returns
    -------
    Score
        Monophonic, 5 to 6 seconds, MIDI 60 to 79.

    Raises
    ------
    UsageError
        If there is no such tune.
    """
    if name not in _TUNES:
        raise UsageError(f"there is no tune {name!r}; choose from {', '.join(NAMES)}")
    written = _TUNES[name]
    notes, beat = [], 0.0
    for word in written.notes.split():
        pitch, _, beats = word.partition(":")
        length_s = float(beats) * written.beat_s
        velocity = STRESS[beat == int(beat)]
        notes.append(Note(beat * written.beat_s, ARTICULATION * length_s, _midi(pitch), velocity))
        beat += float(beats)
    return Score(tuple(notes), name=name, source=f"{written.title}: {written.origin}", licence=LICENCE)


def tunes() -> tuple[Score, ...]:
    """Return all tunes."""
    return tuple(tune(name) for name in NAMES)


def _midi(pitch: str) -> int:
    """``"a4"`` to 69."""
    step = _STEPS[pitch[0]] + {"#": 1, "b": -1}.get(pitch[1:2], 0)
    return step + 12 * (int(pitch[-1]) + 1)
