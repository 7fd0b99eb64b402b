"""The music on which an encoder for translation is pretrained: spectra in every domain, and the notes.

Rendered scores have both.  Crops are transposed by quarter tones and bent, since the pitches of music also lie between
the keys, and varied as other instruments, microphones and rooms would vary them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from wavecore.audio import mulaw
from wavecore.datasets.domains.manifest import Piece
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.errors import UsageError
from wavecore.nn.encoders import ConstantQEncoder, Encoder, shift_bins, shift_octaves
from wavecore.nn.note_bottleneck import HIGHEST, LOWEST
from wavecore.training import augmentation

SECONDS = 5400.0
"""Most music of each domain that is used."""
BATCH, FRAMES = 48, 24
"""Crops per step, each in two domains, and frames per crop."""
SEGMENT = 64
"""Frames of the segments in which spectra are stored."""
MOVED, WIDEST_SHIFT = 0.6, 6.0
"""Share of crops that are transposed, and by how many semitones at most."""
BENT, WIDEST_BEND = 0.3, 2.0
"""Share of those whose transposition changes within the crop, and by how many semitones at most."""
CHANGED = 0.5
"""Share of crops that are varied; the differences between domains are smallest in the others, which stay important."""


@dataclass(frozen=True)
class PretrainingData:
    """Music in every domain, and its notes.

    Attributes
    ----------
    hearing_frames : int
        Of the encoder: further frames of spectra on either side of a segment.
    spectra : Tensor, shape (n, D, n_bins, SEGMENT + 2 * hearing_frames), float16 in [0, 1]
        As ``ConstantQEncoder.spectrum`` returns them, in the written octave.
    present : Tensor, shape (n, D), bool
        Whether a domain has a segment.
    notes : Tensor, shape (n, SEGMENT, HIGHEST - LOWEST + 1), bool
        Which notes sound in the middle of a frame.
    onsets : Tensor, shape (n, SEGMENT), bool
        Whether one begins in it.
    conditions : Tensor or None, shape (n, SEGMENT, C), float16
        The latent that the decoders were trained on, where its encoder has other frames.
    known : ConstantQEncoder or None
        The encoder of that latent, where it takes the same spectra.
    """

    domains: tuple[str, ...]
    hearing_frames: int
    spectra: Tensor
    present: Tensor
    notes: Tensor
    onsets: Tensor
    conditions: Tensor | None
    known: ConstantQEncoder | None = None

    @property
    def known_channels(self) -> int | None:
        """Channels of the latent that the decoders were trained on, if there is one."""
        if self.known is not None:
            return self.known.config.latent_channels
        return None if self.conditions is None else self.conditions.shape[-1]


@dataclass(frozen=True)
class Crops:
    """One step's batch: B passages, each in two domains; the second B rows are the first in another domain.

    Attributes
    ----------
    bare, clean, noisy : Tensor, shape (2 B, n_bins, FRAMES + 2 * hearing_frames), float32 in [0, 1]
        Only transposed; with varied levels as well; above a noise floor besides.
    domains : Tensor, shape (2 B,), int64
    notes : Tensor, shape (2 B, FRAMES, 2 * (HIGHEST - LOWEST) + 1), float32, 0 or 1
    onsets : Tensor, shape (2 B, FRAMES), float32, 0 or 1
    conditions : Tensor or None, shape (2 B, FRAMES, C), float32
        The latent that the decoders were trained on; NaN where it is not known.
    """

    bare: Tensor
    clean: Tensor
    noisy: Tensor
    domains: Tensor
    notes: Tensor
    onsets: Tensor
    conditions: Tensor | None


@torch.no_grad()
def collect(
    dataset: DomainsDataset,
    encoder: ConstantQEncoder,
    *,
    known: Encoder | None = None,
    known_domains: Sequence[str] = (),
    seconds: float = SECONDS,
    on_progress: Callable[[int, int], None] | None = None,
) -> PretrainingData:
    """Compute spectra and notes of the training pieces of a paired data set with notes.

    Parameters
    ----------
    encoder : ConstantQEncoder
        Gives the frames' rate and resolution; its weights do not matter.
    known : Encoder, optional
        The encoder that the decoders were trained on.
    known_domains : sequence of str
        Domains that `known` encodes; the mean of these latents is the target.
    seconds : float
        Of music, at most.
    on_progress : callable, optional
        Called with (pieces done, pieces in all).

    Raises
    ------
    UsageError
        If the data are not the same music in several domains, have no notes, or hold no segment.
    """
    if not dataset.paired or len(dataset.domains) < 2:
        raise UsageError(f"{dataset.path} does not hold the same music in several domains, which pretraining needs")
    shared = known is not None and _same_spectra(known, encoder)
    pieces = [piece for piece in dataset.pieces("train") if piece.notes]
    if not pieces:
        raise UsageError(f"{dataset.path} does not hold the notes of its music, which pretraining needs")
    total = sum(piece.seconds for piece in pieces)
    pieces = pieces[:: max(1, round(total / seconds))] if total > seconds else pieces
    parts = []
    for number, piece in enumerate(pieces):
        parts.append(_segments(dataset, piece, encoder, None if shared else known, known_domains))
        if on_progress is not None:
            on_progress(number + 1, len(pieces))
    spectra, present, notes, onsets, conditions = (torch.cat(column) for column in zip(*parts, strict=True))
    if not len(spectra):
        raise UsageError(
            f"no piece of {dataset.path} is as long as {SEGMENT} frames of {encoder.config.hop_length} samples"
        )
    return PretrainingData(
        dataset.domains,
        encoder.config.hearing_frames,
        spectra,
        present,
        notes,
        onsets,
        None if known is None or shared else conditions,
        known if shared else None,
    )


def draw(
    data: PretrainingData,
    generator: torch.Generator,
    bins_per_octave: int,
    *,
    n_crops: int = BATCH,
    moved: float = MOVED,
    changed: float = CHANGED,
) -> Crops:
    """Draw crops, each in two domains, transposed alike and varied independently.

    Parameters
    ----------
    bins_per_octave : int
        A multiple of 24, for quarter tones; UsageError otherwise.
    n_crops : int
        B.
    moved, changed : float, 0 to 1
        Shares of crops that are transposed and that are varied.
    """
    if bins_per_octave % 24:
        raise UsageError(f"a spectrum of {bins_per_octave} bins per octave has no quarter tones; take a multiple of 24")
    around = data.hearing_frames
    length = FRAMES + 2 * around
    rows = torch.randint(len(data.spectra), (n_crops,), generator=generator)
    domains = torch.multinomial(data.present[rows].float(), 2, generator=generator).t().flatten()  # (2 B,)
    begins = torch.randint(SEGMENT - FRAMES + 1, (n_crops,), generator=generator)
    window = begins[:, None] + torch.arange(length)  # (B, F + 2 R)
    transposed, quarters = _draw_transpositions(generator, n_crops, length, moved)
    spectra = data.spectra[rows.repeat(2), domains].float()
    spectra = spectra.gather(2, window.repeat(2, 1)[:, None].expand(-1, spectra.shape[1], -1))
    bare = shift_bins(spectra, bins_per_octave // 24 * quarters.repeat(2, 1))
    unchanged = (torch.rand(n_crops, 1, 1, generator=generator) >= changed).repeat(2, 1, 1)
    clean, noisy = (torch.where(unchanged, bare, x) for x in augmentation.vary_spectra(bare, generator))
    frames = window[:, around:-around] - around
    semitones = data.notes[rows[:, None], frames]  # (B, F, N)
    notes = torch.zeros(n_crops, 2 * semitones.shape[2] - 1, FRAMES)
    notes[:, ::2] = semitones.transpose(1, 2).float()
    notes = shift_bins(notes, quarters[:, around:-around]).transpose(1, 2).repeat(2, 1, 1)
    onsets = data.onsets[rows[:, None], frames].float().repeat(2, 1)
    conditions = None
    if data.conditions is not None:  # known for the original pitches alone
        original = data.conditions[rows[:, None], frames].float()
        conditions = torch.where(transposed[..., None], torch.nan, original).repeat(2, 1, 1)
    elif data.known is not None:
        with torch.no_grad():
            latent = data.known.encode_spectrum(bare)
        conditions = (latent + latent.roll(n_crops, dims=0)) / 2
    return Crops(bare, clean, noisy, domains, notes, onsets, conditions)


def _draw_transpositions(generator: torch.Generator, n_crops: int, length: int, moved: float) -> tuple[Tensor, Tensor]:
    """Draw which crops are transposed, (B, 1) bool, and by how many quarter tones in each frame, (B, length) int64."""
    widest = int(2 * WIDEST_SHIFT)
    transposed = torch.rand(n_crops, 1, generator=generator) < moved
    first = torch.randint(-widest, widest + 1, (n_crops, 1), generator=generator).float()
    bend = (2 * torch.rand(n_crops, 1, generator=generator) - 1) * (2 * WIDEST_BEND)
    bend = bend * (torch.rand(n_crops, 1, generator=generator) < BENT)
    return transposed, torch.round((first + bend * torch.linspace(0, 1, length)) * transposed).long()


def _same_spectra(known: Encoder, encoder: ConstantQEncoder) -> bool:
    """Return whether two encoders take the same crops of the same spectra."""
    if known.config.kind != "cqt" or known.config.bottleneck_context:
        return False
    sizes = ("hop_length", "sample_rate", "fmin_hz", "bins_per_octave", "n_bins", "filter_scale", "hearing_frames")
    return all(getattr(known.config, size) == getattr(encoder.config, size) for size in sizes)


def _segments(
    dataset: DomainsDataset,
    piece: Piece,
    encoder: ConstantQEncoder,
    known: Encoder | None,
    known_domains: Sequence[str],
) -> tuple[Tensor, ...]:
    """Return spectra, presence, notes, onsets and known latents of one piece, cut into segments."""
    config = encoder.config
    hop, around = config.hop_length, config.hearing_frames
    margin = (encoder.context_frames - config.bottleneck_context) * hop
    n_samples = min(where.length for where in piece.domains.values())
    n = n_samples // hop // SEGMENT
    spectra = torch.zeros(n, len(dataset.domains), config.n_bins, SEGMENT + 2 * around, dtype=torch.float16)
    present = torch.zeros(n, len(dataset.domains), dtype=torch.bool)
    sounds = {
        name: torch.from_numpy(mulaw.decode(np.array(dataset.codes(piece, name)[:n_samples])))[None]
        for name in piece.domains
    }
    for index, name in enumerate(dataset.domains if n else ()):
        if name in sounds:
            whole = encoder.spectrum(nn.functional.pad(sounds[name], (margin, margin)))
            whole = shift_octaves(whole, -piece.domains[name].octave, config.bins_per_octave)[0]  # (n_bins, F)
            cut = whole[:, : n * SEGMENT + 2 * around].unfold(1, SEGMENT + 2 * around, SEGMENT)
            spectra[:, index], present[:, index] = cut.transpose(0, 1).half(), True
    notes, onsets = _written_notes(piece, n * SEGMENT, hop / config.sample_rate)
    conditions = torch.zeros(n * SEGMENT, 1)
    if known is not None:
        encoded = [sounds[name] for name in known_domains if name in sounds]
        conditions = _known_latent(encoded, known, n * SEGMENT, hop)
    return spectra, present, *(x.view(n, SEGMENT, *x.shape[1:]) for x in (notes, onsets, conditions.half()))


def _known_latent(sounds: Sequence[Tensor], known: Encoder, n_frames: int, hop: int) -> Tensor:
    """Return the mean latent of sounds, (n_frames, C), interpolated at the middle of each new frame."""
    if not n_frames:
        return torch.zeros(0, known.config.latent_channels)
    latent = torch.stack([known.encode(sound)[0] for sound in sounds]).mean(0)  # (F', C)
    at = ((torch.arange(n_frames) + 0.5) * hop / known.config.hop_length - 0.5).clamp(0, len(latent) - 1)
    below = at.long().clamp_max(max(0, len(latent) - 2))
    return torch.lerp(latent[below], latent[(below + 1).clamp_max(len(latent) - 1)], (at - below)[:, None])


def _written_notes(piece: Piece, n_frames: int, frame_s: float) -> tuple[Tensor, Tensor]:
    """Return which notes sound in the middle of each frame, (F, N), and whether one begins in it, (F,)."""
    notes = torch.zeros(n_frames, HIGHEST - LOWEST + 1, dtype=torch.bool)
    onsets = torch.zeros(n_frames, dtype=torch.bool)
    for onset_s, duration_s, pitch, _ in piece.notes:
        first, last = (round(at / frame_s) for at in (onset_s, onset_s + duration_s))
        if LOWEST <= pitch <= HIGHEST:
            notes[first : max(last, first + 1), pitch - LOWEST] = True
        onsets[int(onset_s / frame_s) : int(onset_s / frame_s) + 1] = True
    return notes, onsets
