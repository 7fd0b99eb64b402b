"""An NSynth autoencoder that starts from a trained translation network.

Both say sounds from a latent, and a decoder that has learnt to sing in tune need not learn it
twice.  Its conditions, however, come from an encoder that heard a few instruments in their
middle octaves; for others it returns latents a hundred times as large.  So a new, narrow encoder
learns first, in minutes and from spectra alone,

* to lead to the old latent, bounded where the old encoder did not know what it heard, and
* to keep what it hears, judged by a network that draws the spectrum from the narrow latent and
  is thrown away afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from wavecore.audio import mulaw, note_level
from wavecore.datasets.notes import NotesDataset
from wavecore.errors import UsageError
from wavecore.models.encoders import EncoderConfig, build_encoder
from wavecore.models.layers import Affine
from wavecore.models.nsynth import NSynthConfig, NSynthNetwork
from wavecore.models.translation import TranslationNetwork
from wavecore.models.wavenet import WaveNet
from wavecore.training import losses
from wavecore.training.nsynth_task import LEVEL_DB

NOTES = 1200
"""Notes whose spectra are learnt from."""
STEPS = 3000
BATCH, FRAMES = 48, 16
"""Crops per step and frames per crop."""
LEARNING_RATE = 1e-3
BOUND = 5.0
"""Robust standard deviations from the median that the old latent's channels are bounded at."""
DRAWING_WIDTH = 256
CROPS, CROP_FRAMES = 64, 12
"""What the decoders are compared on."""
AT_ONCE = 25


@dataclass(frozen=True)
class Start:
    """A network to train from, and how it came about.

    Attributes
    ----------
    network : NSynthNetwork
    target : str
        The domain whose decoder it has.
    bits : dict of str to float
        Per sample of training notes, of every domain's decoder, the median over crops (what a
        decoder has never heard may cost hundreds of bits); the lowest was taken.
    latent_error, spectrum_error : float
        Mean squares of what is missed, of the old latent in units of its spread, and of the
        spectrum in units of its variance.
    """

    network: NSynthNetwork
    target: str
    bits: dict[str, float]
    latent_error: float
    spectrum_error: float


def from_translation(
    source: TranslationNetwork,
    dataset: NotesDataset,
    *,
    latent_channels: int = 16,
    hop_length: int = 512,
    steps: int = STEPS,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Start:
    """Make an autoencoder of notes whose decoder is a translation network's.

    Parameters
    ----------
    source : TranslationNetwork
        With a constant-Q encoder and a decoder per domain; it is left as it is.
    dataset : NotesDataset
        Its training notes are learnt from.
    latent_channels, hop_length : int
        Of the new latent.
    steps : int
    seed : int
        Of the new weights and the crops.
    on_progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    Start

    Raises
    ------
    UsageError
        If the source has another kind of encoder or one decoder for all domains, or the notes
        are at another rate or too short.
    """
    config = _config(source, dataset, latent_channels, hop_length)
    sounds = _sounds(dataset)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = NSynthNetwork(config)
        drawing = nn.Sequential(
            Affine(latent_channels, DRAWING_WIDTH, gain=1.4), nn.ELU(),
            Affine(DRAWING_WIDTH, DRAWING_WIDTH, gain=1.4), nn.ELU(), Affine(DRAWING_WIDTH, config.encoder.n_bins),
        )  # fmt: skip
        spectra, wanted, spread = _lessons(source, config.encoder, sounds)
        errors = _learn(network, drawing, spectra, wanted / spread, spread, steps, seed, on_progress)
        bits = _bits(source, network, sounds)
    target = min(bits, key=bits.get)
    network.decoder.load_state_dict(source.decoder_state(target))
    return Start(network.eval(), target, bits, *errors)


def _config(source: TranslationNetwork, dataset: NotesDataset, latent_channels: int, hop_length: int) -> NSynthConfig:
    encoder, decoder = source.config.encoder, source.config.decoder
    if encoder.kind != "cqt":
        raise UsageError(f"an autoencoder of notes can start from a translation model with a cqt encoder, not {encoder.kind}")
    if source.config.shared_decoder:
        raise UsageError("an autoencoder of notes can start from a translation model with a decoder per domain, not a shared one")
    if dataset.sample_rate != decoder.sample_rate:
        raise UsageError(f"the notes are at {dataset.sample_rate} Hz, the model at {decoder.sample_rate} Hz")
    if dataset.n_samples < FRAMES * hop_length:
        raise UsageError(f"notes of {dataset.n_samples} samples are shorter than {FRAMES} frames of {hop_length}")
    return NSynthConfig(
        replace(encoder, latent_channels=latent_channels, hop_length=hop_length),
        replace(decoder, hop_length=hop_length),
        condition_channels=decoder.latent_channels,
    )


def _sounds(dataset: NotesDataset) -> Tensor:
    """Training notes, spread evenly over the instruments, at the level of training: (n, T)."""
    codes = dataset.codes("train")
    rows = np.unique(np.linspace(0, len(codes) - 1, min(NOTES, len(codes))).astype(int))
    return torch.from_numpy(np.stack([note_level.level(mulaw.decode(np.array(codes[row])), LEVEL_DB) for row in rows]))


@torch.no_grad()
def _lessons(source: TranslationNetwork, encoder: EncoderConfig, sounds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Spectra (n, bins, F + 4), the old latent of each, bounded (n, F, C), and its spread (C,)."""
    old = build_encoder(replace(encoder, latent_channels=source.config.encoder.latent_channels)).eval()
    old.load_state_dict(source.encoder.state_dict())
    n_frames, margin = sounds.shape[1] // encoder.hop_length, old.context_frames * encoder.hop_length
    padded = nn.functional.pad(sounds[:, : n_frames * encoder.hop_length], (margin, margin))
    spectra = torch.cat([old.spectrum(part)[..., : n_frames + 4] for part in padded.split(AT_ONCE)])
    latents = torch.cat([old.read(part) for part in spectra.split(AT_ONCE)])
    channels = latents.flatten(0, 1)
    middle = channels.median(dim=0).values
    spread = (channels - middle).abs().median(dim=0).values / 0.6745
    return spectra, middle + BOUND * spread * torch.tanh((latents - middle) / (BOUND * spread)), spread


def _learn(
    network: NSynthNetwork, drawing: nn.Module, spectra: Tensor, wanted: Tensor, spread: Tensor,
    steps: int, seed: int, on_progress: Callable[[int, int], None] | None,
) -> tuple[float, float]:  # fmt: skip
    """Train encoder and expansion; the mean squares of what is missed at the end."""
    parameters = [*network.encoder.parameters(), *network.expansion.parameters(), *drawing.parameters()]
    optimizer = torch.optim.Adam(parameters, LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=max(steps, 2))
    rng = np.random.default_rng(seed)
    variance, recent = spectra.var(), []
    for step in range(steps):
        rows = rng.integers(0, len(spectra), BATCH)
        begins = rng.integers(0, wanted.shape[1] - FRAMES + 1, BATCH)
        heard = torch.stack([spectra[row, :, begin : begin + FRAMES + 4] for row, begin in zip(rows, begins, strict=True)])
        told = torch.stack([wanted[row, begin : begin + FRAMES] for row, begin in zip(rows, begins, strict=True)])
        latent = network.encoder.read(heard)
        missed = (network.condition(latent) / spread - told).square().mean()
        undrawn = (drawing(latent).transpose(1, 2) - heard[..., 2:-2]).square().mean() / variance
        optimizer.zero_grad()
        # A latent of unit scale is learnt from well, and mixes of such latents stay within it.
        (missed + undrawn + 0.01 * (latent.square().mean() - 1).square()).backward()
        optimizer.step()
        schedule.step()
        recent = [*recent[-99:], (missed.item(), undrawn.item())]
        if on_progress is not None:
            on_progress(step + 1, steps)
    missed, undrawn = np.mean(recent, axis=0) if recent else (np.nan, np.nan)
    return float(missed), float(undrawn)


@torch.inference_mode()
def _bits(source: TranslationNetwork, network: NSynthNetwork, sounds: Tensor) -> dict[str, float]:
    """Bits per sample of every domain's decoder, given the new latent."""
    hop = network.config.decoder.hop_length
    sounds = sounds[:: max(1, len(sounds) // CROPS)]
    n_frames = min(CROP_FRAMES, sounds.shape[1] // hop)
    condition = network.condition(network.encoder.encode(sounds))[:, :n_frames]
    codes = torch.from_numpy(mulaw.encode(sounds[:, : n_frames * hop].numpy())).long()
    found = {}
    for target in source.config.targets:
        decoder = WaveNet(network.config.decoder).eval()
        decoder.load_state_dict(source.decoder_state(target))
        logits = decoder(codes, condition)
        crops = [losses.bits(losses.reconstruction(*crop)) for crop in zip(logits.split(1), codes.split(1), strict=True)]
        found[target] = float(np.median(crops))
    return found
