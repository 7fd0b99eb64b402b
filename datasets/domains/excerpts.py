"""Choosing excerpts of melodies, and how each is to be played.

Everything is drawn from (seed, piece id), so the plan does not depend on the
order of the melodies, and more seconds only add to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from wavecore.datasets.domains.duets import second_voice
from wavecore.datasets.scores import split_of
from wavecore.errors import InputError, UsageError
from wavecore.symbolic import score as scores
from wavecore.symbolic.score import Note, Score

PHRASE_GAP_S = 0.3
VELOCITIES = (80, 102)
MIN_NOTES = 4
DUET_DEPTH = 12
"""Semitones by which a second voice may go below the melodies' lowest pitch."""


@dataclass(frozen=True)
class ExcerptSettings:
    """How tunes are cut and varied.

    Attributes
    ----------
    seconds : tuple of float
        Shortest and longest excerpt.
    tail_s : float
        Silence after the last note, for releases.
    pitches : tuple of int
        Lowest and highest MIDI number; the octave is chosen to fit.
    semitones : int
        Random transposition up to this, either way.
    tempo : tuple of float
        Random factor of the speed.
    sounding : float
        Least share of an excerpt during which a note sounds.
    duets : float
        Share of the excerpts that get a second voice of the tune's accompaniment, where it has one.

    Raises
    ------
    UsageError
        If a range is turned round or a value makes no sense.
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
                raise UsageError(f"{name} is {(low, high)}; wanted 0 < lowest <= highest")
        if self.pitches[1] - self.pitches[0] < 12:
            raise UsageError(f"pitches is {self.pitches}; an octave or more is needed to fit melodies in")
        if not 0 <= self.semitones <= 12 or self.tail_s < 0 or not 0 <= self.sounding <= 1 or not 0 <= self.duets <= 1:
            raise UsageError(
                f"a value of {self} makes no sense: semitones 0 to 12, tail_s >= 0, sounding and duets 0 to 1"
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
    """Return a random generator that depends on a seed and on names only.

    Parameters
    ----------
    seed : int
        0 or more.
    """
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
        Monophonic, each with a name of its own.
    seconds : float or None
        To reach in all; everything that fits when None.
    sample_rate : int
        Hz.
    seed : int
        0 or more.
    companions : mapping of str to Score, optional
        What accompanies a melody, by the melody's name; second voices are made of it.

    Raises
    ------
    InputError
        If the melodies do not give that much.
    UsageError
        If two melodies have the same name, or `seconds` is not above 0.
    """
    if seconds is not None and not seconds > 0:
        raise UsageError(f"seconds is {seconds}; ask for more than 0")
    tunes = sorted(melodies, key=lambda score: generator(seed, "order", score.name).random())
    names = [score.name for score in tunes]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise UsageError(f"two melodies are called {twice[0]!r}; give every piece an id of its own")
    waiting = [
        excerpts(
            tune, settings=settings, sample_rate=sample_rate, seed=seed, companion=(companions or {}).get(tune.name)
        )
        for tune in tunes
    ]
    chosen: list[Excerpt] = []
    total = 0.0
    while waiting:
        remaining = []
        for source in waiting:
            if seconds is not None and total >= seconds:
                return chosen
            excerpt = next(source, None)
            if excerpt is not None:
                chosen.append(excerpt)
                total += excerpt.n_samples / sample_rate
                remaining.append(source)
        waiting = remaining
    if not chosen or (seconds is not None and total < seconds):
        raise InputError(
            f"{len(tunes)} melodies give {total:.0f} s of excerpts that fit the settings"
            + (f", {seconds:.0f} s were asked for" if seconds is not None else "")
            + "; ask for less, add melodies, or loosen the settings"
        )
    return chosen


def excerpts(
    tune: Score, *, settings: ExcerptSettings, sample_rate: int, seed: int, companion: Score | None = None
) -> Iterator[Excerpt]:
    """Cut a tune, in random order and without overlap.

    Parameters
    ----------
    tune : Score
        Monophonic.
    sample_rate : int
        Hz.
    companion : Score, optional
        What accompanies the tune.
    """
    rng = generator(seed, "excerpts", tune.name)
    taken: list[tuple[float, float]] = []
    number = 0
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
        taken.append((start_s, end_s))
        name, played = f"{tune.name}#{number}", _with_phrases(passage, rng)
        # From a generator of its own: the other excerpts stay what they are without duets.
        if companion is not None and generator(seed, "duet", name).random() < settings.duets:
            below = scores.stretch(scores.crop(companion, start_s, end_s), 1 / tempo)
            played = _with_second(played, below, settings.pitches[0] - DUET_DEPTH)
        yield Excerpt(
            id=name,
            tune=tune.name,
            split=split_of(tune.name),
            score=played,
            n_samples=round((length_s + settings.tail_s) * sample_rate),
        )
        number += 1


def _into_range(score: Score, shift: int, pitches: tuple[int, int]) -> Score | None:
    """The score, shifted and moved by octaves to the middle of the range; None when it does not fit."""
    if len(score.notes) < MIN_NOTES:
        return None
    low, high = scores.pitch_range(score)
    octave = round(((pitches[0] + pitches[1]) / 2 - ((low + high) / 2 + shift)) / 12)
    move = shift + 12 * octave
    if low + move < pitches[0] or high + move > pitches[1]:
        return None
    return scores.transpose(score, move)


def _with_second(melody: Score, accompaniment: Score, lowest: int) -> Score:
    """The melody and a voice below it, as loud as the notes above."""
    if not accompaniment.notes:
        return melody
    voice = second_voice(melody, accompaniment, lowest=lowest)
    level = melody.notes[0].velocity
    return replace(melody, notes=melody.notes + tuple(replace(note, velocity=level) for note in voice.notes))


def _with_phrases(score: Score, rng: np.random.Generator) -> Score:
    """Velocities that change from phrase to phrase and a little from note to note."""
    notes: list[Note] = []
    level = int(rng.integers(VELOCITIES[0], VELOCITIES[1] + 1))
    for note in score.notes:
        if notes and note.onset_s - notes[-1].end_s > PHRASE_GAP_S:
            level = int(rng.integers(VELOCITIES[0], VELOCITIES[1] + 1))
        notes.append(replace(note, velocity=level + int(rng.integers(-4, 5))))
    return replace(score, notes=tuple(notes))
