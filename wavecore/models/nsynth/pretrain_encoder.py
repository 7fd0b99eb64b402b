"""An encoder of notes learns from spectra alone, in minutes, before a decoder has to understand it.

What a decoder is about to say follows for the most part from what it has just said, so its loss
hardly rewards an encoder that tells two low notes apart, and without the difference in the latent
the decoder cannot learn to say it.  Here the encoder and the network that expands its latent for
the decoder are taught directly

* to lead to conditions that the decoder knows already, where it knows any,
* to keep the spectrum, judged by a network that draws it from the latent, and
* to keep the pitch, judged by a network that names it from the latent, or, where the pitch stands
  beside the latent for an oscillator, to say how loud each partial is.

Judges are thrown away afterwards.  They hear the latent with noise upon it, so differences
have to be large.  The spectra are moved by semitones, coloured, and covered by a noise floor, as
recordings are; conditions and drawing are those of the sound without the noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from wavecore.audio import mulaw, note_level
from wavecore.datasets.notes.reader import NotesDataset
from wavecore.errors import UsageError
from wavecore.models.nsynth.model import HEARD_AT, MIDDLE_C, N_PITCHES, NSynthNetwork
from wavecore.nn.encoders import FLOOR_DB, ConstantQEncoder, EncoderConfig, shift_bins, shift_octaves
from wavecore.nn.layers import Affine
from wavecore.nn.oscillator import KNOTS, RANGE_DB, midi_to_hz
from wavecore.training import augmentation

NOTES = 3000
"""Notes whose spectra are learnt from, at most."""
STEPS = 2500
BATCH, FRAMES = 64, 12
"""Crops per step and frames per crop."""
LEARNING_RATE = 1.5e-3
WEIGHT_DECAY = 1e-3
PITCH_WEIGHT = 0.3
LATENT_NOISE = 0.15
LATENT_POWER = 2.5
"""Mean square that the latent is drawn to: mixes of such latents stay within them, and noise is small beside it."""
JUDGE_WIDTH = 256
SHIFTED, WIDEST_SHIFT = 0.5, 3
"""Share of crops that are moved, and by how many semitones at most."""
LEAST_SPREAD = 1e-3
"""Of a condition that hardly moves, so that it does not outweigh the others."""
AUDIBLE_DB = -52.0
"""Frames without a bin above this have no pitch to name."""
AT_ONCE = 25


@dataclass(frozen=True)
class Spectra:
    """What the lessons are about.

    Attributes
    ----------
    spectra : Tensor, shape (n, n_bins, F + 4), float16 in [0, 1]
        As ``ConstantQEncoder.spectrum`` returns them.
    pitches : Tensor, shape (n,), int64
        MIDI note numbers.
    """

    spectra: Tensor
    pitches: Tensor


@dataclass(frozen=True)
class Missed:
    """What is missed at the end, means over the last steps' crops.

    Attributes
    ----------
    condition : float
        Of the wanted conditions, mean square in units of their variance.
    spectrum : float
        Mean square in units of the spectra's variance.
    pitch : float
        Share of frames whose pitch is named wrongly; 0 where the latent holds it.
    levels : float
        Of the partials of an oscillator, root mean square, dB; 0 without one.
    """

    condition: float
    spectrum: float
    pitch: float
    levels: float


@torch.no_grad()
def spectra_of(dataset: NotesDataset, encoder: ConstantQEncoder, *, level_db: float, n_notes: int = NOTES) -> Spectra:
    """Compute the spectra of training notes, spread evenly over the instruments.

    Parameters
    ----------
    encoder : ConstantQEncoder
        Gives the frames' rate and resolution; its weights have no part in it.
    level_db : float
        That notes are brought to.
    n_notes : int
        At most.

    Raises
    ------
    UsageError
        If the notes are shorter than a crop.
    """
    hop, codes = encoder.config.hop_length, dataset.codes("train")
    n_frames, margin = dataset.n_samples // hop, encoder.context_frames * hop
    if n_frames < FRAMES:
        raise UsageError(f"notes of {dataset.n_samples} samples are shorter than {FRAMES} frames of {hop}")
    rows = np.unique(np.linspace(0, len(codes) - 1, min(n_notes, len(codes))).astype(int))
    found = []
    for part in np.array_split(rows, -(-len(rows) // AT_ONCE)):
        sounds = np.stack(
            [note_level.level(mulaw.decode(np.array(codes[row][: n_frames * hop])), level_db) for row in part]
        )
        padded = nn.functional.pad(torch.from_numpy(sounds), (margin, margin))
        found.append(encoder.spectrum(padded)[..., : n_frames + 4].half())
    notes = dataset.notes("train")
    return Spectra(torch.cat(found), torch.tensor([notes[row].pitch for row in rows]))


def teach(
    network: NSynthNetwork,
    lessons: Spectra,
    wanted: Callable[[Tensor], Tensor],
    spread: Tensor,
    *,
    steps: int = STEPS,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Missed:
    """Train a network's encoder and expansion; its decoder is left as it is.

    Parameters
    ----------
    network : NSynthNetwork
        With a constant-Q encoder and without pitch conditioning; it is changed.
    wanted : callable
        From spectra, shape (B, n_bins, F + 4), to conditions, shape (B, F, C), that the decoder knows.
    spread : Tensor, shape (C,), float
        Standard deviations of the conditions.
    seed : int
        Of the crops; the judges' weights come from torch's generator.
    on_progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    Missed
        NaN without steps.
    """
    config = network.config.encoder
    drawing = _judge(network.config.latent_size, config.n_bins)
    naming = None if network.config.harmonics else _judge(config.latent_channels, N_PITCHES)
    names = ("encoder", "expansion", "levels")
    students = [drawing, naming] + [getattr(network, name, None) for name in names]
    parameters = [parameter for student in students if student is not None for parameter in student.parameters()]
    optimizer = torch.optim.AdamW(parameters, LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=max(steps, 2))
    generator = torch.Generator().manual_seed(seed)
    variance, spread = lessons.spectra.float().var(), spread.clamp_min(LEAST_SPREAD)
    recent: list[tuple[float, ...]] = []
    for step in range(steps):
        clean, heard, pitches = draw_crops(lessons, generator, bins_per_octave=config.bins_per_octave)
        latent = _read(network, heard, pitches, generator)
        noisy = latent[..., : config.latent_channels]
        noisy = noisy + LATENT_NOISE * torch.randn(noisy.shape, generator=generator)
        seen = torch.cat([noisy, latent[..., config.latent_channels :]], dim=-1)
        with torch.no_grad():
            told = wanted(clean)
        middle = clean[..., 2:-2]
        missed = ((network.expand(seen) - told) / spread).square().mean()
        undrawn = (drawing(seen).transpose(1, 2) - middle).square().mean() / variance
        off = (
            (network.levels(seen) - levels_of(middle, pitches, config)).square().mean()
            if naming is None
            else torch.zeros(())
        )
        unnamed, wrong = (torch.zeros(()), 0.0) if naming is None else _pitch_loss(naming(seen), pitches, middle)
        scale = 0.01 * (latent[..., : config.latent_channels].square().mean() - LATENT_POWER).square()
        optimizer.zero_grad()
        (missed + undrawn + PITCH_WEIGHT * unnamed + off / variance + scale).backward()
        optimizer.step()
        schedule.step()
        recent = [*recent[-99:], (missed.item(), undrawn.item(), wrong, RANGE_DB * off.sqrt().item())]
        if on_progress is not None:
            on_progress(step + 1, steps)
    return Missed(*(np.mean(recent, axis=0).tolist() if recent else [np.nan] * 4))


def levels_of(spectrum: Tensor, pitches: Tensor, config: EncoderConfig) -> Tensor:
    """Read the levels of an oscillator's partials from a spectrum.

    Parameters
    ----------
    spectrum : Tensor, shape (B, n_bins, F), float32 in [0, 1]
    pitches : Tensor, shape (B,), integer
        MIDI note numbers.
    config : EncoderConfig
        Of the encoder whose spectrum it is.

    Returns
    -------
    Tensor, shape (B, F, len(oscillator.KNOTS)), float32 in [0, 1]
        The loudest of three bins around each partial; 0 above the highest bin.
    """
    octaves = torch.log2(midi_to_hz(pitches.float()) / config.fmin_hz)
    knots = torch.log2(torch.tensor(KNOTS, dtype=torch.float32))
    bins = torch.round((octaves[:, None] + knots) * config.bins_per_octave).long()  # (B, K)
    loudest = nn.functional.max_pool1d(spectrum.transpose(1, 2), 3, stride=1, padding=1)  # (B, F, n_bins)
    inside = (bins >= 0) & (bins < config.n_bins)
    index = bins.clamp(0, config.n_bins - 1)[:, None].expand(-1, spectrum.shape[2], -1)
    return loudest.gather(2, index) * inside[:, None]


def _read(network: NSynthNetwork, heard: Tensor, pitches: Tensor, generator: torch.Generator) -> Tensor:
    """The latent of spectra, (B, F, latent_size), as the network hears them, a little beside the pitch at times."""
    if not network.config.harmonics:
        return network.encoder.read(heard)
    octaves = (pitches - HEARD_AT) / 12.0
    beside = torch.randint(-1, 2, pitches.shape, generator=generator) / network.config.encoder.bins_per_octave
    heard = shift_octaves(heard, beside - octaves, network.config.encoder.bins_per_octave)
    latent = network.encoder.read(heard)
    told = ((pitches - MIDDLE_C) / 12.0)[:, None, None].expand(-1, latent.shape[1], 1)
    return torch.cat([latent, told], dim=-1)


def draw_crops(
    lessons: Spectra, generator: torch.Generator, *, bins_per_octave: int, n_crops: int = BATCH
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw crops, moved, coloured and covered.

    Parameters
    ----------
    bins_per_octave : int
        Crops are moved only where a semitone is a whole number of bins.

    Returns
    -------
    clean : Tensor, shape (B, n_bins, FRAMES + 4), float32 in [0, 1]
        Moved and coloured.
    heard : Tensor, shape (B, n_bins, FRAMES + 4), float32 in [0, 1]
        Under a noise floor as well.
    pitches : Tensor, shape (B,), int64
        Of the notes where they were moved to.
    """
    n, _, n_frames = lessons.spectra.shape

    def uniform() -> Tensor:
        return torch.rand(n_crops, 1, 1, generator=generator)

    rows = torch.randint(n, (n_crops,), generator=generator)
    begins = torch.randint(n_frames - 4 - FRAMES + 1, (n_crops,), generator=generator)
    pairs = zip(rows.tolist(), begins.tolist(), strict=True)
    crops = torch.stack([lessons.spectra[row, :, begin : begin + FRAMES + 4] for row, begin in pairs]).float()
    semitones = torch.zeros(n_crops, dtype=torch.int64)
    if bins_per_octave % 12 == 0:
        semitones = torch.randint(-WIDEST_SHIFT, WIDEST_SHIFT + 1, (n_crops,), generator=generator)
        semitones = semitones * (uniform() < SHIFTED).flatten()
    clean, heard = augmentation.vary_spectra(shift_bins(crops, semitones * (bins_per_octave // 12)), generator)
    pitches = (lessons.pitches[rows] + semitones).clamp(0, N_PITCHES - 1)
    return clean, heard, pitches


def _judge(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Sequential(
        Affine(in_channels, JUDGE_WIDTH, gain=1.4), nn.ELU(),
        Affine(JUDGE_WIDTH, JUDGE_WIDTH, gain=1.4), nn.ELU(), Affine(JUDGE_WIDTH, out_channels),
    )  # fmt: skip


def _pitch_loss(named: Tensor, pitches: Tensor, spectrum: Tensor) -> tuple[Tensor, float]:
    """Nats per audible frame, and the share of them that are named wrongly."""
    audible = spectrum.amax(dim=1) > 1 - AUDIBLE_DB / FLOOR_DB  # (B, F)
    if not bool(audible.any()):
        return named.sum() * 0, 0.0
    wanted = pitches[:, None].expand_as(audible)[audible]
    guesses = named[audible]
    return nn.functional.cross_entropy(guesses, wanted), float((guesses.argmax(-1) != wanted).float().mean())
