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
from wavecore.rendering.bank import Bank
from wavecore.rendering.casting import Line
from wavecore.rendering.mixer import Section, open_sections

BLOCK_FRAMES = 16
"""Frames of conditioning at once; with an oscillator each has a row per sample."""
GLIDE_S = 0.004
"""Transition of the oscillator between notes: a jump would click."""
RELEASE_S = 0.5
"""Longest release of a note before a rest."""


def require_pitch(model: LoadedModel) -> None:
    """Raise UsageError unless the model's latent holds the pitch, so that it can play notes between those of a bank."""
    if not model.network.config.harmonics:
        raise UsageError(
            f"{model.name} has no pitch in its latent and plays the notes of a bank only; train one with --harmonics"
        )


def sections(model: LoadedModel, bank: Bank, lines: Sequence[Line], **options) -> list[Section]:
    """Open the generators of lines, with the bank's instruments; for `options` see ``mixer.open_sections``."""
    require_pitch(model)
    network = model.network
    return open_sections(
        lines,
        network.config.decoder,
        lambda _: network.decoder_state(),
        lambda some: conditioning(network, bank, some),
        by_instrument=False,
        **options,
    )


def conditioning(network: NSynthNetwork, bank: Bank, lines: Sequence[Line]) -> Iterator[np.ndarray]:
    """Compute the decoder's conditioning, block by block without an end; it does not depend on ``BLOCK_FRAMES``.

    Yields
    ------
    ndarray, shape (m, n, decoder.latent_channels), float32
    """
    hop, rate = network.config.encoder.hop_length, network.config.encoder.sample_rate
    cycles = None
    for begin in count(0, BLOCK_FRAMES):
        # A frame more on either side, for the interpolation.
        latent = torch.from_numpy(np.stack([frames(bank, line, begin - 1, BLOCK_FRAMES + 2) for line in lines]))
        n_samples = BLOCK_FRAMES * hop
        midi = torch.from_numpy(np.stack([pitches(line, begin * hop, n_samples, sample_rate=rate) for line in lines]))
        with torch.inference_mode():
            f0_hz = oscillator.midi_to_hz(midi)
            passed = torch.cumsum(f0_hz / rate, dim=1)
            # The phase is 0 at the very first sample.
            passed = passed + (-passed[:, :1] if cycles is None else cycles)
            cycles = passed[:, -1:] - passed[:, -1:].floor()
            phase = 2 * math.pi * (passed - passed.floor())
            padded = (torch.nn.functional.pad(track, (hop, hop), value=1.0).float() for track in (phase, f0_hz))
            yield network.sampled_condition(latent, *padded)[:, hop : hop + n_samples].numpy()


def pitches(line: Line, begin: int, n_samples: int, *, sample_rate: int) -> np.ndarray:
    """Compute a line's pitch as it is played, sample by sample from sample `begin` on.

    Every pitch stays until the next note, which is reached in ``GLIDE_S``; the first one also precedes its note.

    Returns
    -------
    ndarray, shape (n_samples,), float64
        MIDI note numbers.
    """
    speed = 2.0**line.octave
    onsets = np.array([note.onset_s for note in line.score.notes]) / speed
    midi = np.array([float(note.pitch + 12 * line.octave) for note in line.score.notes])
    t = (begin + np.arange(n_samples)) / sample_rate
    index = np.maximum(np.searchsorted(onsets, t, side="right") - 1, 0)
    before = midi[np.maximum(index - 1, 0)]
    return before + (midi[index] - before) * np.clip((t - onsets[index]) / GLIDE_S, 0, 1)


def frames(bank: Bank, line: Line, begin: int, n_frames: int) -> np.ndarray:
    """Write a line in latents, from frame `begin` on.

    A frame holds the note's latent at the frame's centre, interpolated in the bank's.  In rests the note's release
    follows, and then its last frame; the first note's beginning also precedes it.

    Returns
    -------
    ndarray, shape (n_frames, C + 1), float32
        The last channel is the pitch, in octaves above MIDI note 60.
    """
    frame_s, speed = bank.frame_s, 2.0**line.octave
    notes = line.score.notes
    onsets = np.array([note.onset_s for note in notes]) / speed / frame_s
    centres = begin + np.arange(n_frames) + 0.5
    indices = np.maximum(np.searchsorted(onsets, centres, side="right") - 1, 0)
    latents = np.empty((n_frames, next(iter(bank.instruments.values())).latents.shape[2] + 1), np.float32)
    for index in np.unique(indices).tolist():
        here = indices == index
        pitch = notes[index].pitch + 12 * line.octave
        held = max(1, round(notes[index].duration_s / speed / frame_s))
        note = bank.note(line.instrument, pitch, held, round(RELEASE_S / frame_s))
        # The bank's first frame has its centre half a frame after the onset.
        age = np.clip(centres[here] - onsets[index] - 0.5, 0, len(note) - 1)
        latents[here, :-1] = np.stack([np.interp(age, np.arange(len(note)), track) for track in note.T], axis=1)
        latents[here, -1] = (pitch - MIDDLE_C) / 12
    return latents
