"""Choosing excerpts of melodies, and the key, tempo and dynamics of each.

All random choices depend on (seed, piece id) only, so that the plan does not depend on the order of the melodies, and
asking for more seconds only adds to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from wavecore.datasets.splits import split_of
from wavecore.errors import InputError, UsageError
from wavecore.symbolic import score as scores
from wavecore.symbolic.score import CHORD_S, Note, Score

PHRASE_GAP_S = 0.3
VELOCITIES = (80, 102)
MIN_NOTES = 4
DUET_DEPTH = 12
"""Semitones by which a second voice may go below the melodies' lowest pitch."""
MIN_INTERVAL = 3
"""Least semitones between the two voices of a duet."""


@dataclass(frozen=True)
class ExcerptSettings:
    """How tunes are cut and varied. The field names are part of the manifests' format.

    Attributes
    ----------
    seconds : tuple of float
        Shortest and longest excerpt.
    tail_s : float
        Silence after the last note, for releases.
    pitches : tuple of int
        Lowest and highest MIDI number; the octave is chosen to fit.
    semitones : int
        Largest random transposition, up or down.
    tempo : tuple of float
        Range of the random factor of the speed.
    sounding : float
        Least share of an excerpt during which a note sounds.
    duets : float
        Share of the excerpts that get a second voice from the tune's accompaniment, where it has one.

    Raises
    ------
    UsageError
        If a value is out of range.
    """

    seconds: tuple[float, float] = (8.0, 12.0)
    tail_s: float = 0.4
    pitches: tuple[int, int] = (60, 86)
    semitones: int = 3
    tempo: tuple[float, float] = (0.9, 1.3)
    sounding: float = 0.7
    duets: float = 0.0

    def __post_init__(self):
        for name in ("seconds", "pitches", "tempo"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise UsageError(f"{name} is {(low, high)}; it must be 0 < lowest <= highest")
        if self.pitches[1] - self.pitches[0] < 12:
            raise UsageError(f"pitches is {self.pitches}; an octave or more is needed to fit melodies in")
        if not 0 <= self.semitones <= 12 or self.tail_s < 0 or not 0 <= self.sounding <= 1 or not 0 <= self.duets <= 1:
            raise UsageError(
                f"a value of {self} is out of range: semitones 0 to 12, tail_s >= 0, sounding and duets 0 to 1"
            )


@dataclass(frozen=True)
class Excerpt:
    """A passage as it is to be played.

    Attributes
    ----------
    id : str
        ``TUNE#NUMBER``.
    score : Score
        Starts with a note at 0.
    n_samples : int
        With the tail.
    """

    id: str
    tune: str
    split: str
    score: Score
    n_samples: int


def generator(seed: int, *names: str) -> np.random.Generator:
    """Return a random generator whose state depends only on a seed, 0 or more, and on names."""
    digest = hashlib.sha256("\n".join(names).encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest, "<u4").tolist()])


def plan(
    melodies: Iterable[Score],
    *,
    seconds: float | None,
    settings: ExcerptSettings,
    sample_rate: int,
    seed: int,
    companions: Mapping[str, Score] | None = None,
) -> list[Excerpt]:
    """Choose excerpts: one of every tune, then a second one of every tune, and so on.

    Parameters
    ----------
    melodies : iterable of Score
        Monophonic, with different names.
    seconds : float or None
        To reach in all, or InputError is raised; everything that fits when None.
    companions : mapping of str to Score, optional
        Accompaniments by the melody's name, from which second voices are made.

    Examples
    --------
    >>> scale = Score([Note(0.5 * i, 0.5, 60 + i % 12) for i in range(60)], "scale")
    >>> chosen = plan([scale], seconds=16, settings=ExcerptSettings(), sample_rate=16_000, seed=0)
    >>> [excerpt.id for excerpt in chosen]
    ['scale#0', 'scale#1']
    """
    if seconds is not None and not seconds > 0:
        raise UsageError(f"seconds is {seconds}; ask for more than 0")
    tunes = sorted(melodies, key=lambda score: generator(seed, "order", score.name).random())
    names = [score.name for score in tunes]
    if len(set(names)) != len(names):
        repeated = min(name for name in names if names.count(name) > 1)
        raise UsageError(f"two melodies are called {repeated!r}; give every piece an id of its own")
    remaining = [
        excerpts(
            tune, settings=settings, sample_rate=sample_rate, seed=seed, companion=(companions or {}).get(tune.name)
        )
        for tune in tunes
    ]
    chosen: list[Excerpt] = []
    total_s = 0.0
    while remaining:
        for source in list(remaining):
            if seconds is not None and total_s >= seconds:
                return chosen
            excerpt = next(source, None)
            if excerpt is None:
                remaining.remove(source)
            else:
                chosen.append(excerpt)
                total_s += excerpt.n_samples / sample_rate
    if not chosen or (seconds is not None and total_s < seconds):
        raise InputError(
            f"{len(tunes)} melodies give {total_s:.0f} s of excerpts that fit the settings"
            + (f", {seconds:.0f} s were asked for" if seconds is not None else "")
            + "; ask for less, add melodies, or loosen the settings"
        )
    return chosen


def excerpts(
    tune: Score, *, settings: ExcerptSettings, sample_rate: int, seed: int, companion: Score | None = None
) -> Iterator[Excerpt]:
    """Cut a monophonic tune in random order and without overlap; the parameters are those of `plan`."""
    rng = generator(seed, "excerpts", tune.name)
    taken: list[tuple[float, float]] = []
    for index in rng.permutation(len(tune.notes)):
        length_s, tempo = rng.uniform(*settings.seconds), rng.uniform(*settings.tempo)
        shift = int(rng.integers(-settings.semitones, settings.semitones + 1))
        start_s = tune.notes[index].onset_s
        end_s = start_s + length_s * tempo
        if end_s > tune.duration_s or any(start_s < b and end_s > a for a, b in taken):
            continue
        passage = scores.monophonic(scores.stretch(scores.crop(tune, start_s, end_s), 1 / tempo))
        passage = _into_range(passage, shift, settings.pitches)
        if passage is None or scores.sounding_s(passage.notes) < settings.sounding * length_s:
            continue
        name, played = f"{tune.name}#{len(taken)}", _with_phrases(passage, rng)
        taken.append((start_s, end_s))
        # A separate generator keeps the other excerpts the same with and without duets.
        if companion is not None and generator(seed, "duet", name).random() < settings.duets:
            accompaniment = scores.stretch(scores.crop(companion, start_s, end_s), 1 / tempo)
            played = _with_second_voice(played, accompaniment, settings.pitches[0] - DUET_DEPTH)
        yield Excerpt(
            id=name,
            tune=tune.name,
            split=split_of(tune.name),
            score=played,
            n_samples=round((length_s + settings.tail_s) * sample_rate),
        )


def second_voice(melody: Score, accompaniment: Score, *, lowest: int) -> Score:
    """Make a monophonic line below a monophonic melody from its accompaniment.

    Every note keeps its pitch class and its time and moves by octaves to lie as closely below the melody's note as
    `MIN_INTERVAL` allows; notes below `lowest` are left out. Of notes that start together the one nearest to the melody
    stays.

    Examples
    --------
    >>> chord = Score([Note(0, 1, pitch) for pitch in (36, 40, 43)])
    >>> [note.pitch for note in second_voice(Score([Note(0, 1, 72)]), chord, lowest=48).notes]
    [67]
    """
    voice: list[Note] = []
    for note in accompaniment.notes:
        above = [other.pitch for other in melody.notes if other.onset_s < note.end_s and note.onset_s < other.end_s]
        if not above:
            continue
        highest = min(above) - MIN_INTERVAL
        pitch = highest - (highest - note.pitch) % 12
        if pitch < lowest:
            continue
        if voice and note.onset_s - voice[-1].onset_s < CHORD_S:
            voice[-1] = max(voice[-1], replace(note, pitch=pitch), key=lambda one: one.pitch)
        else:
            voice.append(replace(note, pitch=pitch))
    line = scores.monophonic(replace(accompaniment, notes=tuple(voice)))
    return replace(line, notes=tuple(_cut_below(melody, note) for note in line.notes))


def _cut_below(melody: Score, note: Note) -> Note:
    """End a note, which legato may have lengthened, where a note of the melody comes too close to it."""
    starts = [
        other.onset_s
        for other in melody.notes
        if note.onset_s < other.onset_s < note.end_s and note.pitch > other.pitch - MIN_INTERVAL
    ]
    return replace(note, duration_s=min(starts) - note.onset_s) if starts else note


def _into_range(score: Score, shift: int, pitches: tuple[int, int]) -> Score | None:
    """Shift a score and move it by octaves to the middle of the range; return None when it does not fit."""
    if len(score.notes) < MIN_NOTES:
        return None
    low, high = scores.pitch_range(score)
    octave = round(((pitches[0] + pitches[1]) / 2 - ((low + high) / 2 + shift)) / 12)
    move = shift + 12 * octave
    if low + move < pitches[0] or high + move > pitches[1]:
        return None
    return scores.transpose(score, move)


def _with_second_voice(melody: Score, accompaniment: Score, lowest: int) -> Score:
    """Add a voice below a melody, at the velocity of the melody's first note."""
    voice = second_voice(melody, accompaniment, lowest=lowest)
    velocity = melody.notes[0].velocity
    return replace(melody, notes=melody.notes + tuple(replace(note, velocity=velocity) for note in voice.notes))


def _with_phrases(score: Score, rng: np.random.Generator) -> Score:
    """Set velocities that change from phrase to phrase and a little from note to note."""
    notes: list[Note] = []
    for note in score.notes:
        if not notes or note.onset_s - notes[-1].end_s > PHRASE_GAP_S:
            level = int(rng.integers(VELOCITIES[0], VELOCITIES[1] + 1))
        notes.append(replace(note, velocity=level + int(rng.integers(-4, 5))))
    return replace(score, notes=tuple(notes))
