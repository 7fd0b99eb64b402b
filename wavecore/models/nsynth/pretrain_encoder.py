"""Pretraining of an encoder of notes on spectra alone, in minutes.

A decoder predicts a sample mostly from those before it, so its loss hardly rewards an encoder that distinguishes two
low notes, and without that difference in the latent the decoder cannot learn to generate it.  Here the encoder and the
network that expands its latent for the decoder are trained directly to

* lead to conditionings that a trained decoder knows, where there is one,
* keep the spectrum, which a probe network reconstructs from the latent, and
* keep the pitch, which a probe network classifies from the latent, or, where the pitch stands beside the latent for an
  oscillator, predict the level of each partial.

The probes are discarded afterwards.  They receive the latent with noise, so that differences have to be large.  The
spectra are shifted by semitones and varied (``augmentation.vary_spectra``); the targets have no noise floor.
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
from wavecore.models.nsynth.model import ENCODER_PITCH, MIDDLE_C, N_PITCHES, NSynthNetwork
from wavecore.nn.config import EncoderConfig
from wavecore.nn.encoders import FLOOR_DB, ConstantQEncoder, shift_bins, shift_octaves
from wavecore.nn.layers import Affine
from wavecore.nn.oscillator import KNOTS, RANGE_DB, midi_to_hz
from wavecore.training import augmentation

MAX_NOTES = 3000
STEPS = 2500
BATCH, FRAMES = 64, 12
"""Crops per step and frames per crop."""
LEARNING_RATE = 1.5e-3
WEIGHT_DECAY = 1e-3
PITCH_WEIGHT = 0.3
LATENT_NOISE = 0.15
LATENT_POWER = 2.5
"""Mean square to which the latent is regularised: mixes of such latents stay among them, and the noise is small."""
PROBE_WIDTH = 256
SHIFTED, WIDEST_SHIFT = 0.5, 3
"""Share of crops that are shifted, and by how many semitones at most."""
MIN_SPREAD = 1e-3
"""Least standard deviation assumed of a conditioning, so that a constant channel does not outweigh the others."""
AUDIBLE_DB = -52.0
"""Frames without a bin above this have no pitch to classify."""
ROWS = 25
"""Notes whose spectra are computed at once."""


@dataclass(frozen=True)
class Spectra:
    """Spectra of notes, (n, n_bins, F + 4) float16 as of ``ConstantQEncoder.spectrum``, and MIDI pitches, (n,) int."""

    spectra: Tensor
    pitches: Tensor


@dataclass(frozen=True)
class PretrainingErrors:
    """Errors at the end of a pretraining, means over the last steps.

    Mean squares of ``condition`` and ``spectrum`` are in units of their variance; ``pitch`` is the share of frames
    whose pitch is classified wrongly, 0 where the latent holds it; ``levels`` of an oscillator's partials, 0 without
    one, is a root mean square in dB.
    """

    condition: float
    spectrum: float
    pitch: float
    levels: float

    def describe(self, *, with_pitch: bool) -> str:
        """Return the errors as text; ``with_pitch`` where the latent holds the pitch."""
        last = f"the partials' levels by {self.levels:.1f} dB" if with_pitch else f"{self.pitch:.0%} of the pitches"
        return (
            f"the encoder misses {self.condition:.0%} of the decoder's conditioning, "
            f"{self.spectrum:.0%} of the spectrum and {last}"
        )


@torch.no_grad()
def spectra_of(
    dataset: NotesDataset, encoder: ConstantQEncoder, *, level_db: float, n_notes: int = MAX_NOTES
) -> Spectra:
    """Compute the spectra of training notes at a level, ``n_notes`` at most, spread evenly over the instruments.

    Of the encoder, the frame rate and the resolution matter.  Raises UsageError if the notes are shorter than a crop.
    """
    hop, codes = encoder.config.hop_length, dataset.codes("train")
    n_frames, margin = dataset.n_samples // hop, encoder.context_frames * hop
    if n_frames < FRAMES:
        raise UsageError(f"notes of {dataset.n_samples} samples are shorter than {FRAMES} frames of {hop}")
    rows = np.unique(np.linspace(0, len(codes) - 1, min(n_notes, len(codes))).astype(int))
    spectra = []
    for part in np.array_split(rows, -(-len(rows) // ROWS)):
        sounds = [note_level.level(mulaw.decode(np.array(codes[row][: n_frames * hop])), level_db) for row in part]
        padded = nn.functional.pad(torch.from_numpy(np.stack(sounds)), (margin, margin))
        spectra.append(encoder.spectrum(padded)[..., : n_frames + 4].half())
    notes = dataset.notes("train")
    return Spectra(torch.cat(spectra), torch.tensor([notes[row].pitch for row in rows]))


def pretrain(
    network: NSynthNetwork,
    data: Spectra,
    target: Callable[[Tensor], Tensor],
    spread: Tensor,
    *,
    steps: int = STEPS,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> PretrainingErrors:
    """Train a network's encoder and expansion in place; its decoder is left as it is.

    Parameters
    ----------
    network : NSynthNetwork
        With a constant-Q encoder and without a pitch embedding.
    target : callable
        From spectra, (B, n_bins, F + 4), to conditionings, (B, F, C), that the decoder knows.
    spread : Tensor, shape (C,), float
        Standard deviations of the conditionings.
    seed : int
        Of the crops; the probes' weights come from torch's generator.

    Returns
    -------
    PretrainingErrors
        NaN without steps.
    """
    config = network.config.encoder
    spectrum_probe = _probe(network.config.latent_size, config.n_bins)
    pitch_probe = None if network.config.harmonics else _probe(config.latent_channels, N_PITCHES)
    parts = [
        spectrum_probe,
        pitch_probe,
        *(getattr(network, name, None) for name in ("encoder", "expansion", "levels")),
    ]
    parameters = [parameter for part in parts if part is not None for parameter in part.parameters()]
    optimizer = torch.optim.AdamW(parameters, LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=max(steps, 2))
    generator = torch.Generator().manual_seed(seed)
    variance, spread = data.spectra.float().var(), spread.clamp_min(MIN_SPREAD)
    recent: list[tuple[float, ...]] = []
    for step in range(steps):
        clean, noisy, pitches = draw_crops(data, generator, BATCH, bins_per_octave=config.bins_per_octave)
        latent = _encode(network, noisy, pitches, generator)
        timbre, pitch = latent.tensor_split([config.latent_channels], dim=-1)
        perturbed = torch.cat([timbre + LATENT_NOISE * torch.randn(timbre.shape, generator=generator), pitch], dim=-1)
        with torch.no_grad():
            conditioning = target(clean)
        middle = clean[..., 2:-2]
        condition = ((network.expand(perturbed) - conditioning) / spread).square().mean()
        spectrum = (spectrum_probe(perturbed).transpose(1, 2) - middle).square().mean() / variance
        levels, nats, wrong = torch.zeros(()), torch.zeros(()), 0.0
        if pitch_probe is None:
            levels = (network.levels(perturbed) - levels_of(middle, pitches, config)).square().mean()
        else:
            nats, wrong = _pitch_loss(pitch_probe(perturbed), pitches, middle)
        power = 0.01 * (timbre.square().mean() - LATENT_POWER).square()
        optimizer.zero_grad()
        (condition + spectrum + PITCH_WEIGHT * nats + levels / variance + power).backward()
        optimizer.step()
        schedule.step()
        recent = [*recent[-99:], (condition.item(), spectrum.item(), wrong, RANGE_DB * levels.sqrt().item())]
        if on_progress is not None:
            on_progress(step + 1, steps)
    return PretrainingErrors(*(np.mean(recent, axis=0).tolist() if recent else [np.nan] * 4))


def levels_of(spectrum: Tensor, pitches: Tensor, config: EncoderConfig) -> Tensor:
    """Read the levels of an oscillator's partials from spectra, (B, n_bins, F) in [0, 1], of pitches, (B,).

    Returns (B, F, len(oscillator.KNOTS)) in [0, 1]: the highest of three bins around each partial; 0 beyond the bins.
    """
    octaves = torch.log2(midi_to_hz(pitches.float()) / config.fmin_hz)
    knots = torch.log2(torch.tensor(KNOTS, dtype=torch.float32))
    bins = torch.round((octaves[:, None] + knots) * config.bins_per_octave).long()  # (B, K)
    highest = nn.functional.max_pool1d(spectrum.transpose(1, 2), 3, stride=1, padding=1)  # (B, F, n_bins)
    inside = (bins >= 0) & (bins < config.n_bins)
    index = bins.clamp(0, config.n_bins - 1)[:, None].expand(-1, spectrum.shape[2], -1)
    return highest.gather(2, index) * inside[:, None]


def _encode(network: NSynthNetwork, spectra: Tensor, pitches: Tensor, generator: torch.Generator) -> Tensor:
    """Return the latents of spectra, (B, F, latent_size); for an oscillator, the shift to one pitch errs by a bin."""
    if not network.config.harmonics:
        return network.encoder.encode_spectrum(spectra)
    bins_per_octave = network.config.encoder.bins_per_octave
    octaves = (pitches - ENCODER_PITCH) / 12.0
    error = torch.randint(-1, 2, pitches.shape, generator=generator) / bins_per_octave
    latent = network.encoder.encode_spectrum(shift_octaves(spectra, error - octaves, bins_per_octave))
    pitch = ((pitches - MIDDLE_C) / 12.0)[:, None, None].expand(-1, latent.shape[1], 1)
    return torch.cat([latent, pitch], dim=-1)


def draw_crops(
    data: Spectra, generator: torch.Generator, n_crops: int, *, bins_per_octave: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw crops, shifted where a semitone is a whole number of bins, and varied.

    Returns the clean and the noisy spectra of ``augmentation.vary_spectra``, (B, n_bins, FRAMES + 4), and the pitches
    after the shift, (B,).
    """
    n, _, n_frames = data.spectra.shape
    rows = torch.randint(n, (n_crops,), generator=generator)
    begins = torch.randint(n_frames - 4 - FRAMES + 1, (n_crops,), generator=generator)
    pairs = zip(rows.tolist(), begins.tolist(), strict=True)
    crops = torch.stack([data.spectra[row, :, begin : begin + FRAMES + 4] for row, begin in pairs]).float()
    semitones = torch.zeros(n_crops, dtype=torch.int64)
    if bins_per_octave % 12 == 0:
        semitones = torch.randint(-WIDEST_SHIFT, WIDEST_SHIFT + 1, (n_crops,), generator=generator)
        semitones = semitones * (torch.rand(n_crops, 1, 1, generator=generator) < SHIFTED).flatten()
    clean, noisy = augmentation.vary_spectra(shift_bins(crops, semitones * (bins_per_octave // 12)), generator)
    return clean, noisy, (data.pitches[rows] + semitones).clamp(0, N_PITCHES - 1)


def _probe(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Sequential(
        Affine(in_channels, PROBE_WIDTH, gain=1.4),
        nn.ELU(),
        Affine(PROBE_WIDTH, PROBE_WIDTH, gain=1.4),
        nn.ELU(),
        Affine(PROBE_WIDTH, out_channels),
    )


def _pitch_loss(logits: Tensor, pitches: Tensor, spectrum: Tensor) -> tuple[Tensor, float]:
    """Return the nats per audible frame, and the share of these frames whose pitch is classified wrongly."""
    audible = spectrum.amax(dim=1) > 1 - AUDIBLE_DB / FLOOR_DB  # (B, F)
    if not bool(audible.any()):
        return logits.sum() * 0, 0.0
    truth, logits = pitches[:, None].expand_as(audible)[audible], logits[audible]
    return nn.functional.cross_entropy(logits, truth), float((logits.argmax(-1) != truth).float().mean())
