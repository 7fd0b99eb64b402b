"""Lines played by an autoencoder of notes: latents of a bank, one after the other, decoded as one batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np
import torch

from wavecore.checkpoint import LoadedModel
from wavecore.errors import UsageError
from wavecore.models.nsynth.model import MIDDLE_C, NSynthNetwork
from wavecore.nn import oscillator
from wavecore.nn.generate import open_generator
from wavecore.rendering.bank import Bank
from wavecore.rendering.casting import Line
from wavecore.rendering.mixer import Section, threads_for

BLOCK_FRAMES = 16
"""That the decoder is told of at once: with an oscillator a frame is told sample by sample."""
GLIDE_S = 0.004
"""In which the oscillator goes from a note to the next: at once it would click."""
RELEASE_S = 0.5
"""For which a note is heard after its end, where the line rests, at most."""


def sections(
    model: LoadedModel,
    bank: Bank,
    lines: Sequence[Line],
    *,
    seed: int,
    temperature: float,
    backend: str = "auto",
    device: str = "cpu",
) -> list[Section]:
    """Let the autoencoder's decoder play lines.

    Parameters
    ----------
    model : LoadedModel
        Of kind ``nsynth``, whose latent holds the pitch.
    bank : Bank
        Of that model.
    lines : sequence of Line
        Instruments are those of the bank.
    seed : int
        Of the draws; line i has stream i, whoever plays beside it.
    temperature : float
        Divides the logits.
    backend, device : str
        See ``generate.open_generator``.

    Returns
    -------
    list of Section
        One for every speed: all instruments share a decoder.

    Raises
    ------
    UsageError
        If the model's latent holds no pitch.
    """
    network = model.network
    if not network.config.harmonics:
        raise UsageError(
            f"{model.name} has no pitch in its latent, and cannot play notes that its bank has not; train one with --harmonics"
        )
    places: dict[int, list[int]] = {}
    for index, line in enumerate(lines):
        places.setdefault(line.octave, []).append(index)
    return [
        Section(
            tuple(found),
            octave,
            open_generator(
                network.decoder_state(), network.config.decoder, batch=len(found), seed=seed, streams=found, temperature=temperature, backend=backend,
                device=device, threads=threads_for(len(places)),
            ),
            conditions(network, bank, [lines[place] for place in found]),
        )
        for octave, found in places.items()
    ]  # fmt: skip


def conditions(network: NSynthNetwork, bank: Bank, lines: Sequence[Line]) -> Iterator[np.ndarray]:
    """Say what the decoder is told, block by block and without an end.

    The oscillator follows the score from sample to sample; what else is told follows from frame to frame.

    Parameters
    ----------
    network : NSynthNetwork
        With harmonics.

    Yields
    ------
    ndarray, shape (m, n, decoder.latent_channels), float32
        One after the other they do not depend on ``BLOCK_FRAMES``.
    """
    hop, rate = network.config.encoder.hop_length, network.config.encoder.sample_rate
    cycles = None
    for begin in count(0, BLOCK_FRAMES):
        # A frame on either side: straight lines lead there.
        latent = torch.from_numpy(np.stack([frames(bank, line, begin - 1, BLOCK_FRAMES + 2) for line in lines]))
        midi = torch.from_numpy(
            np.stack([pitches(line, begin * hop, BLOCK_FRAMES * hop, sample_rate=rate) for line in lines])
        )
        inner = slice(hop, (BLOCK_FRAMES + 1) * hop)
        with torch.inference_mode():
            f0_hz = oscillator.midi_to_hz(midi)
            passed = torch.cumsum(f0_hz / rate, dim=1)
            # The oscillator stands at 0 at the first sample of all.
            passed = passed + (-passed[:, :1] if cycles is None else cycles)
            cycles = passed[:, -1:] - passed[:, -1:].floor()
            phase, around = 2 * math.pi * (passed - passed.floor()), (hop, hop)
            told = (torch.nn.functional.pad(track, around, value=1.0).float() for track in (phase, f0_hz))
            yield network.sampled_condition(latent, *told)[:, inner].numpy()


def pitches(line: Line, begin: int, n_samples: int, *, sample_rate: int) -> np.ndarray:
    """Say which pitch a line has, sample by sample.

    Parameters
    ----------
    begin : int
        The first sample; before the first note stands its pitch, and every pitch stays until the next note.
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (n_samples,), float64
        MIDI note numbers, as they are played; a note is reached in ``GLIDE_S`` from its onset on.
    """
    speed = 2.0**line.octave
    onsets = np.array([note.onset_s for note in line.score.notes]) / speed
    midi = np.array([float(note.pitch + 12 * line.octave) for note in line.score.notes])
    t = (begin + np.arange(n_samples)) / sample_rate
    index = np.maximum(np.searchsorted(onsets, t, side="right") - 1, 0)
    before = midi[np.maximum(index - 1, 0)]
    return before + (midi[index] - before) * np.clip((t - onsets[index]) / GLIDE_S, 0, 1)


def frames(bank: Bank, line: Line, begin: int, n_frames: int) -> np.ndarray:
    """Write a stretch of a line in latents.

    Parameters
    ----------
    line : Line
        One note at a time.
    begin : int
        The first frame; before the first note stands that note's beginning.

    Returns
    -------
    ndarray, shape (n_frames, C + 1), float32
        The last channel is the pitch, in octaves above MIDI note 60.  A frame is what its middle has: a note's latent at its age
        there, between the bank's frames on straight lines.  After a note comes its release, for as long as the line
        rests, and then the release's end is held.
    """
    frame_s, speed = bank.frame_s, 2.0**line.octave
    notes = line.score.notes
    onsets = np.array([note.onset_s for note in notes]) / speed / frame_s
    middles = begin + np.arange(n_frames) + 0.5
    indices = np.maximum(np.searchsorted(onsets, middles, side="right") - 1, 0)
    found = np.empty((n_frames, next(iter(bank.instruments.values())).latents.shape[2] + 1), np.float32)
    for index in np.unique(indices).tolist():
        here = indices == index
        pitch = notes[index].pitch + 12 * line.octave
        held = max(1, round(notes[index].duration_s / speed / frame_s))
        note = bank.note(line.instrument, pitch, held, round(RELEASE_S / frame_s))
        # The bank's first frame is that of a note's first moments, and so is its middle.
        age = np.clip(middles[here] - onsets[index] - 0.5, 0, len(note) - 1)
        found[here, :-1] = np.stack([np.interp(age, np.arange(len(note)), track) for track in note.T], axis=1)
        found[here, -1] = (pitch - MIDDLE_C) / 12
    return found
