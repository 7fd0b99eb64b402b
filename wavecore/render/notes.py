"""Lines played by an autoencoder of notes: latents of a bank, one after the other, decoded as one batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np
import torch

from wavecore.errors import UsageError
from wavecore.generate import open_generator
from wavecore.models import oscillator
from wavecore.models.checkpoint import LoadedModel
from wavecore.models.nsynth import MIDDLE_C, NSynthNetwork
from wavecore.render.bank import Bank
from wavecore.render.casting import Line
from wavecore.render.ensemble import Section, threads_for

BLOCK_FRAMES = 16
"""That the decoder is told of at once: with an oscillator a frame is told sample by sample."""
RELEASE_S = 0.5
"""For which a note is heard after its end, where the line rests, at most."""


def sections(
    model: LoadedModel, bank: Bank, lines: Sequence[Line], *, seed: int, temperature: float, backend: str = "auto", device: str = "cpu"
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
        raise UsageError(f"{model.name} has no pitch in its latent, and cannot play notes that its bank has not; train one with --harmonics")
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

    Parameters
    ----------
    network : NSynthNetwork
        With harmonics.
    bank : Bank
    lines : sequence of m Line

    Yields
    ------
    ndarray, shape (m, n, decoder.latent_channels), float32
        One after the other they are what ``NSynthNetwork.condition`` says of all latents at once.
    """
    hop, rate = network.config.encoder.hop_length, network.config.encoder.sample_rate
    cycles = None
    for begin in count(0, BLOCK_FRAMES):
        # A frame on either side: straight lines lead there.
        latent = torch.from_numpy(np.stack([frames(bank, line, begin - 1, BLOCK_FRAMES + 2) for line in lines]))
        inner = slice(hop, (BLOCK_FRAMES + 1) * hop)
        with torch.inference_mode():
            midi = (MIDDLE_C + 12 * latent[..., -1:]).double()
            f0_hz = oscillator.midi_to_hz(oscillator.upsample(midi, hop)[..., 0])
            passed = torch.cumsum(f0_hz[:, inner] / rate, dim=1)
            # The oscillator stands at 0 at the first sample of all.
            passed = passed + (-passed[:, :1] if cycles is None else cycles)
            cycles = passed[:, -1:] - passed[:, -1:].floor()
            phase = torch.zeros_like(f0_hz)
            phase[:, inner] = 2 * math.pi * (passed - passed.floor())
            yield network.sampled_condition(latent, phase.float(), f0_hz.float())[:, inner].numpy()


def frames(bank: Bank, line: Line, begin: int, n_frames: int) -> np.ndarray:
    """Write a stretch of a line in latents.

    Parameters
    ----------
    bank : Bank
    line : Line
        One note at a time.
    begin : int
        The first frame; before the first note stands that note's beginning.
    n_frames : int

    Returns
    -------
    ndarray, shape (n_frames, C + 1), float32
        The last channel is the pitch, in octaves above MIDI note 60.  After a note comes its release, for as long as the line
        rests, and then the release's end is held.
    """
    frame_s, speed = bank.frame_s, 2.0**line.octave
    notes = line.score.notes
    edges = [(round(note.onset_s / speed / frame_s), round(note.end_s / speed / frame_s)) for note in notes]
    firsts = np.array([first for first, _ in edges])
    found = np.empty((n_frames, next(iter(bank.instruments.values())).latents.shape[2] + 1), np.float32)
    here, last = begin, begin + n_frames
    while here < last:
        # Of notes that begin in one frame the last one is heard.
        index = max(0, int(np.searchsorted(firsts, here, side="right")) - 1)
        end = last if index + 1 == len(notes) else min(last, max(here + 1, int(firsts[index + 1])))
        first, stop = edges[index]
        pitch = notes[index].pitch + 12 * line.octave
        note = bank.note(line.instrument, pitch, max(1, stop - first), round(RELEASE_S / frame_s))
        place = slice(here - begin, end - begin)
        found[place, :-1] = note[np.clip(np.arange(here, end) - first, 0, len(note) - 1)]
        found[place, -1] = (pitch - MIDDLE_C) / 12
        here = end
    return found
