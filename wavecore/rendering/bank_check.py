"""Which notes of a bank a model can say: each is played alone and its pitch is looked for.

A decoder that has learnt for some hours says some notes as noise, mostly low and bright ones.  A
score is better played without them: by the nearest note that is clear, or an octave higher and
slowed down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from wavecore.audio import pitch
from wavecore.checkpoint import LoadedModel
from wavecore.errors import UsageError
from wavecore.rendering import mixer as ensemble
from wavecore.rendering import notes
from wavecore.rendering.bank import Bank
from wavecore.rendering.casting import Line
from wavecore.symbolic.score import Note, Score

HELD_S = 1.2
BEGIN_S, END_S = 0.1, 0.05
"""Of a note, that are not judged."""
SEMITONES = 0.5
LEAST = 0.95
"""Of the judged time, for which a clear note is at its pitch, whatever is drawn."""
HOLE_NOTES = 1
"""That are not clear in a row, at most: below a wider hole nothing is kept, for what lies in it is not clear, whoever lends the timbre."""
TRIES = 2
FRAME_RATE_HZ = 100.0
LOWEST_HZ, HIGHEST_HZ = 27.0, 4400.0
"""The keys of a piano, and a little more."""


def shares(
    model: LoadedModel,
    bank: Bank,
    *,
    temperature: float,
    backend: str = "auto",
    device: str = "cpu",
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Play every note of a bank alone and measure for how much of its time it is at its pitch.

    Parameters
    ----------
    model : LoadedModel
        Of kind ``nsynth``, the one that the bank is made for.
    temperature : float
        Divides the logits.
    backend, device : str
        See ``generate.open_generator``.
    on_progress : callable, optional
        Called with (instruments done, instruments in all).

    Returns
    -------
    dict of str to ndarray, shape (n,), float64
        For every note of an instrument 0 to 1, the worst of ``TRIES`` with different draws.

    Raises
    ------
    UsageError
        If the model's latent holds no pitch.
    """
    rate = model.network.config.decoder.sample_rate
    found = {}
    for number, (name, instrument) in enumerate(bank.instruments.items()):
        midi = instrument.pitches.tolist()
        lines = [Line("", name, Score((Note(0.0, HELD_S, note),)), 0, 0.0) for note in midi]
        tries = []
        for seed in range(TRIES):
            sections = notes.sections(
                model, bank, lines, seed=seed, temperature=temperature, backend=backend, device=device
            )
            blocks = ensemble.play(sections, round(HELD_S * rate), sample_rate=rate, draws=False)
            sounds = np.concatenate(list(blocks), axis=1)
            tries.append([_share(sound, note, rate) for sound, note in zip(sounds, midi, strict=True)])
        found[name] = np.min(tries, axis=0)
        if on_progress is not None:
            on_progress(number + 1, len(bank.instruments))
    return found


def clear(bank: Bank, heard: Mapping[str, np.ndarray], *, least: float = LEAST) -> Bank:
    """Leave out the notes that are not clear, and those that a wide hole divides from the others above.

    Parameters
    ----------
    heard : mapping of str to ndarray, shape (n,)
        As ``shares`` returns it.
    least : float
        The share from which a note is clear, 0 to 1.

    Returns
    -------
    Bank
        An instrument that has no clear note keeps all of them: there is nothing better.

    Raises
    ------
    UsageError
        If an instrument's notes and shares differ in number, or `least` is no share.
    """
    if not 0 <= least <= 1:
        raise UsageError(f"the least share is {least}; it lies between 0 and 1")
    instruments = {}
    for name, instrument in bank.instruments.items():
        if len(heard.get(name, ())) != len(instrument.pitches):
            raise UsageError(
                f"{name} has {len(instrument.pitches)} notes, and {len(heard.get(name, ()))} of them were heard"
            )
        kept = _above_holes(heard[name] >= least)
        if not kept.any():
            kept[:] = True
        instruments[name] = replace(instrument, pitches=instrument.pitches[kept], latents=instrument.latents[kept])
    return replace(bank, instruments=instruments)


def _above_holes(kept: np.ndarray) -> np.ndarray:
    """Keep of some notes those that no wide hole divides from the highest."""
    places = np.flatnonzero(kept)
    wide = np.flatnonzero(np.diff(places) > HOLE_NOTES + 1)
    found = np.zeros_like(kept)
    found[places[wide[-1] + 1 :] if len(wide) else places] = True
    return found


def _share(sound: np.ndarray, midi: int, sample_rate: int) -> float:
    """How much of a note's time is at its pitch."""
    track = pitch.track_f0(
        sound, sample_rate=sample_rate, fmin_hz=LOWEST_HZ, fmax_hz=HIGHEST_HZ, frame_rate_hz=FRAME_RATE_HZ
    )
    judged = (track.times_s >= BEGIN_S) & (track.times_s < HELD_S - END_S)
    f0_hz = np.where(track.voiced, track.f0_hz, np.inf)[judged]
    return float(np.mean(np.abs(12 * np.log2(f0_hz / pitch.midi_to_hz(float(midi)))) <= SEMITONES))
