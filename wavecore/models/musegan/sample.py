"""Writing with a MuseGAN: phrases from noise, and pieces of any length, one phrase after the other without a gap.

Over a piece the noise of style and groove stays what it is; that of chords and melodies, from which the
temporal networks make a phrase's bars, changes from phrase to phrase, as much as is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from wavecore.errors import InputError, UsageError
from wavecore.models.musegan.model import MuseGAN
from wavecore.models.musegan.rolls import draw
from wavecore.models.musegan.tracks import Track, parts_of
from wavecore.symbolic.song import Part, Song

BINARISE = ("threshold", "bernoulli", "likeliest")
ROWS = 32
"""Phrases that are written at once."""


def compose(
    network: MuseGAN,
    n_bars: int,
    *,
    rng: np.random.Generator,
    given: np.ndarray | None = None,
    binarise: str = "threshold",
    vary: float = 1.0,
    on_progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Write a piece.

    Parameters
    ----------
    network : MuseGAN
        In evaluation mode.
    n_bars : int
        Any number; of the last phrase what is too much is cut off.
    given : ndarray, shape (n_bars, steps, pitches), bool, optional
        The given track, where the network has one.
    binarise : {"threshold", "bernoulli", "likeliest"}
        Cells above one half are lit, or each is drawn with its probability, or every track has one note at most, as ``lit`` says.
    vary : float
        How much chords and melodies of a phrase differ from those of the one before: 1 for noise of its own, 0 for the same.
    on_progress : callable, optional
        Called with (phrases done, phrases in all).

    Returns
    -------
    ndarray, shape (n_bars, steps, pitches, tracks), bool

    Raises
    ------
    UsageError
        If a number is out of its range, there is no such way to light cells, or what is given does not fit.
    """
    config = network.config
    if n_bars < 1:
        raise UsageError(f"{n_bars} bars were asked for; at least 1 is needed")
    if not 0 <= vary <= 1:
        raise UsageError(f"vary is {vary}; it lies between 0 and 1")
    n_phrases = -(-n_bars // config.bars)
    noise = phrase_noise(network, n_phrases, rng=rng, vary=vary)
    if given is not None:
        if given.shape != (n_bars, config.steps, config.n_pitches):
            raise UsageError(
                f"what is given has shape {given.shape}; {(n_bars, config.steps, config.n_pitches)} is needed"
            )
        given = np.concatenate([given, np.zeros((n_phrases * config.bars - n_bars, *given.shape[1:]), bool)])
        given = given.reshape(n_phrases, config.bars, *given.shape[1:])
    phrases = written_phrases(network, noise, given=given, binarise=binarise, rng=rng, on_progress=on_progress)
    return phrases.reshape(-1, *config.shape[1:])[:n_bars]


def phrase_noise(network: MuseGAN, n_phrases: int, *, rng: np.random.Generator, vary: float) -> np.ndarray:
    """Draw the noise of phrases that follow each other.

    Parameters
    ----------
    vary : float
        As of ``compose``.

    Returns
    -------
    ndarray, shape (n_phrases, R, Z), float32
        Every vector is normal, whatever `vary` is.
    """
    rows = network.config.noise_rows
    noise = rng.standard_normal((n_phrases, len(rows), network.config.noise), np.float32)
    for number, row in enumerate(rows):
        if row in ("style", "groove"):
            noise[:, number] = noise[0, number]
            continue
        for phrase in range(1, n_phrases):
            noise[phrase, number] = math.sqrt(1 - vary**2) * noise[phrase - 1, number] + vary * noise[phrase, number]
    return noise


@torch.inference_mode()
def written_phrases(
    network: MuseGAN,
    noise: np.ndarray,
    *,
    given: np.ndarray | None = None,
    binarise: str,
    rng: np.random.Generator,
    on_progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Write phrases from noise.

    Parameters
    ----------
    network : MuseGAN
        In evaluation mode, on any device.
    noise : ndarray, shape (N, R, Z), float32
    given : ndarray, shape (N, bars, steps, pitches), bool, optional
        The given track, where the network has one; it is kept exactly.
    binarise : {"threshold", "bernoulli", "likeliest"}
    rng : numpy.random.Generator
        Of ``bernoulli``.
    on_progress : callable, optional
        Called with (phrases done, phrases in all).

    Returns
    -------
    ndarray, shape (N, bars, steps, pitches, tracks), bool

    Raises
    ------
    UsageError
        If there is no such way to light cells, or a track is given or missing against what the network needs.
    """
    if binarise not in BINARISE:
        raise UsageError(f"there is no way {binarise!r} to light cells; choose from {', '.join(BINARISE)}")
    config, device = network.config, next(network.parameters()).device
    found = np.zeros((len(noise), *config.shape), bool)
    for begin in range(0, len(noise), ROWS):
        rows = slice(begin, begin + ROWS)
        told = None if given is None else torch.from_numpy(given[rows]).to(device).float() * 2 - 1
        cells = network.generator(torch.from_numpy(noise[rows]).to(device), told).cpu().numpy()
        written = lit(cells, binarise, rng)
        found[rows] = written if given is None else np.insert(written, config.given_index, given[rows], axis=-1)
        if on_progress is not None:
            on_progress(min(begin + ROWS, len(noise)), len(noise))
    return found


def lit(cells: np.ndarray, binarise: str, rng: np.random.Generator) -> np.ndarray:
    """Light cells.

    Parameters
    ----------
    cells : ndarray, shape (..., pitches, tracks), float32
        -1 to 1, of which 0 is a probability of one half.
    binarise : {"threshold", "bernoulli", "likeliest"}
        With ``likeliest`` a track sounds at the steps at which half a note at least is to be expected, all pitches together, and then on
        the likeliest pitch alone: for tracks that are voices.
    rng : numpy.random.Generator
        Of ``bernoulli``.

    Returns
    -------
    ndarray, the shape of `cells`, bool
    """
    if binarise == "threshold":
        return cells > 0.0
    if binarise == "bernoulli":
        return cells > 2 * rng.random(cells.shape, np.float32) - 1
    odds = (cells + 1) / 2
    one = np.arange(cells.shape[-2])[:, None] == odds.argmax(axis=-2)[..., None, :]
    return one & (odds.sum(axis=-2, keepdims=True) >= 0.5)


def given_track(network: MuseGAN, song: Song) -> np.ndarray:
    """Read the track that a network accompanies.

    Parameters
    ----------
    network : MuseGAN
        With a given track.
    song : Song
        All its bars must fit the network's.

    Returns
    -------
    ndarray, shape (n_bars, steps, pitches), bool

    Raises
    ------
    UsageError
        If the network has no given track.
    InputError
        If the part is missing or silent, bars have other lengths, or notes lie beyond the network's pitches.
    """
    config, name = network.config, song.name or "the piece"
    if not config.given:
        raise UsageError("the network writes all tracks; it cannot accompany (one trained with --given TRACK can)")
    alone = replace(song, parts=(accompanied(song, config.tracks[config.given_index]),))
    drawn = draw(alone, [replace(config.tracks[config.given_index], name="part:0")], config.grid)
    if drawn.left_out:
        told = ", ".join(f"{count} of {meter}" for meter, count in drawn.left_out.items())
        raise InputError(f"{name} has bars that the network does not know ({told}); it knows {config.beats}/4")
    if drawn.outside:
        highest = config.lowest + config.n_pitches - 1
        raise InputError(
            f"{drawn.outside} notes of {name} lie beyond MIDI {config.lowest} to {highest}, the network's: transpose it"
        )
    if not drawn.roll.any():
        raise InputError(f"{name} has no notes to accompany")
    return drawn.roll[..., 0]


def accompanied(song: Song, track: Track) -> Part:
    """Take of a piece what is to be accompanied.

    Parameters
    ----------
    track : Track
        The given one.  A piece of one part need not call it so.

    Returns
    -------
    Part
        The notes of all parts that the track takes; with the program of the first.

    Raises
    ------
    InputError
        If the piece has no such part.
    """
    parts = song.parts if len(song.parts) == 1 else parts_of(song, track.name)
    if not parts:
        names = ", ".join(repr(part.name) for part in song.parts)
        raise InputError(f"{song.name or 'the piece'} has no part {track.name!r} to accompany; its parts are {names}")
    return Part(tuple(event for part in parts for event in part.events), track.label, parts[0].program, track.is_drum)
