"""Composing with a MuseGAN: phrases from noise, and pieces of any length as successive phrases.

Over a piece the noise of style and groove stays; that of chords and melodies changes from phrase to phrase, as much as
``vary`` sets.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from wavecore.errors import InputError, UsageError
from wavecore.models.musegan import rolls
from wavecore.models.musegan.config import METHODS
from wavecore.models.musegan.model import MuseGAN
from wavecore.symbolic.song import Part, Song

ROWS = 32
"""Phrases that are generated at once."""


def compose(
    network: MuseGAN,
    n_bars: int,
    *,
    rng: np.random.Generator,
    given: np.ndarray | None = None,
    method: str = "threshold",
    vary: float = 1.0,
    on_progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Return a piece, shape (n_bars, steps, pitches, tracks), bool; the last phrase is cut at its end.

    ``given`` is the given track, shape (n_bars, steps, pitches), bool; the other options are those of the API.

    Raises
    ------
    UsageError
        If a number is out of its range, there is no such method, or a track is given against what the network needs.
    """
    config = network.config
    if n_bars < 1:
        raise UsageError(f"bars must be at least 1, not {n_bars}")
    if not 0 <= vary <= 1:
        raise UsageError(f"vary must lie between 0 and 1, not {vary}")
    n_phrases = -(-n_bars // config.bars)
    noise = phrase_noise(network, n_phrases, rng=rng, vary=vary)
    if given is not None:
        given = np.concatenate([given, np.zeros((n_phrases * config.bars - n_bars, *given.shape[1:]), bool)])
        given = given.reshape(n_phrases, config.bars, *given.shape[1:])
    phrases = generate(network, noise, given=given, method=method, rng=rng, on_progress=on_progress)
    return phrases.reshape(-1, *config.shape[1:])[:n_bars]


def phrase_noise(network: MuseGAN, n_phrases: int, *, rng: np.random.Generator, vary: float) -> np.ndarray:
    """Return the noise of successive phrases, shape (n_phrases, R, Z), float32, normal for any ``vary``."""
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
def generate(
    network: MuseGAN,
    noise: np.ndarray,
    *,
    given: np.ndarray | None = None,
    method: str = "threshold",
    rng: np.random.Generator,
    on_progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Return the phrases, shape (N, bars, steps, pitches, tracks), bool, of noise, shape (N, R, Z), float32.

    ``given`` is the given track, shape (N, bars, steps, pitches), bool; ``rng`` draws for the method bernoulli.

    Raises
    ------
    UsageError
        If there is no such method, or a track is given against what the network needs.
    """
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r} of binarising cells; choose from {', '.join(METHODS)}")
    config, device = network.config, next(network.parameters()).device
    phrases = np.zeros((len(noise), *config.shape), bool)
    for begin in range(0, len(noise), ROWS):
        rows = slice(begin, begin + ROWS)
        track = None if given is None else torch.from_numpy(given[rows]).to(device).float() * 2 - 1
        cells = network.generator(torch.from_numpy(noise[rows]).to(device), track).cpu().numpy()
        generated = binarise(cells, method, rng)
        phrases[rows] = generated if given is None else np.insert(generated, config.given_index, given[rows], axis=-1)
        if on_progress is not None:
            on_progress(min(begin + ROWS, len(noise)), len(noise))
    return phrases


def binarise(cells: np.ndarray, method: str, rng: np.random.Generator) -> np.ndarray:
    """Make cells (..., pitches, tracks) of -1 to 1, of which 0 is a probability of one half, binary.

    ``likeliest`` activates the most likely pitch of a track at steps where all its pitches together expect half a note
    or more, and no other: for tracks that are voices.
    """
    if method == "threshold":
        return cells > 0.0
    if method == "bernoulli":
        return cells > 2 * rng.random(cells.shape, np.float32) - 1
    probabilities = (cells + 1) / 2
    most_likely = np.arange(cells.shape[-2])[:, None] == probabilities.argmax(axis=-2)[..., None, :]
    return most_likely & (probabilities.sum(axis=-2, keepdims=True) >= 0.5)


def given_track(network: MuseGAN, song: Song) -> np.ndarray:
    """Return the track of a piece that a network accompanies, shape (n_bars, steps, pitches), bool.

    Raises
    ------
    UsageError
        If the network has no given track.
    InputError
        If the part is missing or silent, bars have other lengths, or notes lie beyond the network's pitches.
    """
    config, name = network.config, song.name or "the piece"
    if not config.given:
        raise UsageError("the network generates all tracks; it cannot accompany (one trained with --given TRACK can)")
    track = config.tracks[config.given_index]
    alone = replace(song, parts=(accompanied_part(song, track),))
    roll = rolls.from_song(alone, [replace(track, name="part:0")], config.grid)
    if roll.left_out:
        bars = ", ".join(f"{count} of {meter}" for meter, count in roll.left_out.items())
        raise InputError(f"{name} has bars that the network does not know ({bars}); it knows {config.beats}/4")
    if roll.outside:
        highest = config.lowest + config.n_pitches - 1
        raise InputError(
            f"{roll.outside} notes of {name} lie beyond MIDI {config.lowest} to {highest}, the network's: transpose it"
        )
    if not roll.cells.any():
        raise InputError(f"{name} has no notes to accompany")
    return roll.cells[..., 0]


def accompanied_part(song: Song, track: rolls.Track) -> Part:
    """Return the part of a piece that is accompanied: all notes that the track takes, or those of a piece's only part.

    Raises
    ------
    InputError
        If the piece has no such part.
    """
    parts = song.parts if len(song.parts) == 1 else rolls.parts_of(song, track.name)
    if not parts:
        names = ", ".join(repr(part.name) for part in song.parts)
        raise InputError(f"{song.name or 'the piece'} has no part {track.name!r} to accompany; its parts are {names}")
    return Part(tuple(event for part in parts for event in part.events), track.label, parts[0].program, track.is_drum)
