"""The music that an encoder for translation is taught from: spectra in every domain, and the notes.

Rendered scores have both.  Crops are moved by quarter tones and bent, for music lies between the
keys too, and changed as other instruments, microphones and rooms would change them.
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
"""Of music that is learnt from, at most; every domain's."""
BATCH, FRAMES = 48, 24
"""Crops per step, each in two domains, and frames per crop."""
SEGMENT = 64
"""Frames that spectra are kept in."""
MOVED, WIDEST_SHIFT = 0.6, 6.0
"""Share of crops that are moved, and by how many semitones at most."""
BENT, WIDEST_BEND = 0.3, 2.0
"""Share of those whose pitch changes on the way, and by how many semitones at most."""
CHANGED = 0.5
"""Share of crops that are coloured and covered: in the others domains differ least visibly, and a probe hears those."""


@dataclass(frozen=True)
class Lessons:
    """Music in every domain, and its notes.

    Attributes
    ----------
    hearing_frames : int
        Of the encoder: frames of spectra on either side of what is learnt.
    spectra : Tensor, shape (n, D, n_bins, SEGMENT + 2 * hearing_frames), float16 in [0, 1]
        As ``ConstantQEncoder.spectrum`` returns them, in the written octave.
    present : Tensor, shape (n, D), bool
        Whether a domain has a segment.
    notes : Tensor, shape (n, SEGMENT, HIGHEST - LOWEST + 1), bool
        Which notes sound in the middle of a frame.
    onsets : Tensor, shape (n, SEGMENT), bool
        Whether one begins in it.
    conditions : Tensor or None, shape (n, SEGMENT, C), float16
        The latent that decoders know, where its encoder has other frames.
    known : ConstantQEncoder or None
        The encoder whose latent decoders know, where it hears the same spectra.
    """

    domains: tuple[str, ...]
    hearing_frames: int
    spectra: Tensor
    present: Tensor
    notes: Tensor
    onsets: Tensor
    conditions: Tensor | None
    known: ConstantQEncoder | None = None


@dataclass(frozen=True)
class Crops:
    """What one step of the lessons is about: B passages, each in two domains.

    Attributes
    ----------
    bare, clean, heard : Tensor, shape (2 B, n_bins, FRAMES + 2 * hearing_frames), float32 in [0, 1]
        Moved alone; coloured as well; under a noise floor besides.  The second B are the first in another domain.
    domains : Tensor, shape (2 B,), int64
    notes : Tensor, shape (2 B, FRAMES, 2 * (HIGHEST - LOWEST) + 1), float32, 0 or 1
    onsets : Tensor, shape (2 B, FRAMES), float32, 0 or 1
    conditions : Tensor or None, shape (2 B, FRAMES, C), float32
        What decoders know; NaN where it is not known.
    """

    bare: Tensor
    clean: Tensor
    heard: Tensor
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
) -> Lessons:
    """Compute what is learnt from.

    Parameters
    ----------
    dataset : DomainsDataset
        Paired, with notes; its training pieces.
    encoder : ConstantQEncoder
        Gives the frames' rate and resolution; its weights have no part in it.
    known : Encoder, optional
        Whose latent decoders know.
    known_domains : sequence of str
        Domains whose sounds `known` is given; the mean of its latents is wanted.
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
        raise UsageError(
            f"{dataset.path} does not hold the same music in several domains, from which an encoder is taught"
        )
    shared = known is not None and _same_spectra(known, encoder)
    pieces = [piece for piece in dataset.pieces("train") if piece.notes]
    if not pieces:
        raise UsageError(
            f"{dataset.path} does not say which notes its music has, so that no encoder can be taught them"
        )
    total = sum(piece.seconds for piece in pieces)
    pieces = pieces[:: max(1, round(total / seconds))] if total > seconds else pieces
    found: list[list[Tensor]] = [[], [], [], [], []]
    for number, piece in enumerate(pieces):
        for kept, part in zip(
            found, _segments(dataset, piece, encoder, None if shared else known, known_domains), strict=True
        ):
            kept.append(part)
        if on_progress is not None:
            on_progress(number + 1, len(pieces))
    spectra, present, notes, onsets, conditions = (torch.cat(parts) for parts in found)
    if not len(spectra):
        raise UsageError(
            f"no piece of {dataset.path} is as long as {SEGMENT} frames of {encoder.config.hop_length} samples"
        )
    precomputed = None if known is None or shared else conditions
    return Lessons(
        dataset.domains,
        encoder.config.hearing_frames,
        spectra,
        present,
        notes,
        onsets,
        precomputed,
        known if shared else None,
    )


def draw(
    lessons: Lessons,
    generator: torch.Generator,
    bins_per_octave: int,
    *,
    n_crops: int = BATCH,
    moved: float = MOVED,
    changed: float = CHANGED,
) -> Crops:
    """Draw crops, each in two domains, moved alike, coloured and covered each for itself.

    Parameters
    ----------
    bins_per_octave : int
        A multiple of 24: pitches are moved and named in quarter tones.
    n_crops : int
        B.
    moved, changed : float, 0 to 1
        Shares of crops whose pitch is moved, and that are coloured and covered.

    Raises
    ------
    UsageError
        If the bins are not quarter tones or parts of them.
    """
    if bins_per_octave % 24:
        raise UsageError(f"a spectrum of {bins_per_octave} bins per octave has no quarter tones; take a multiple of 24")
    fine, around = bins_per_octave // 24, lessons.hearing_frames
    length = FRAMES + 2 * around
    rows = torch.randint(len(lessons.spectra), (n_crops,), generator=generator)
    pairs = torch.multinomial(lessons.present[rows].float(), 2, generator=generator)  # (B, 2)
    begins = torch.randint(SEGMENT - FRAMES + 1, (n_crops,), generator=generator)
    window = begins[:, None] + torch.arange(length)  # (B, F + 2 R)
    widest = int(2 * WIDEST_SHIFT)
    moves = torch.rand(n_crops, 1, generator=generator) < moved
    first = torch.randint(-widest, widest + 1, (n_crops, 1), generator=generator).float()
    bend = (2 * torch.rand(n_crops, 1, generator=generator) - 1) * (2 * WIDEST_BEND)
    bend = bend * (torch.rand(n_crops, 1, generator=generator) < BENT)
    quarters = torch.round((first + bend * torch.linspace(0, 1, length)) * moves).long()  # (B, F + 2 R)
    domains = pairs.t().flatten()
    both = rows.repeat(2)
    crops = (
        lessons.spectra[both, domains]
        .float()
        .gather(2, window.repeat(2, 1)[:, None].expand(-1, lessons.spectra.shape[2], -1))
    )
    bare = shift_bins(crops, fine * quarters.repeat(2, 1))
    plain = (torch.rand(n_crops, 1, 1, generator=generator) >= changed).repeat(2, 1, 1)
    clean, heard = (torch.where(plain, bare, other) for other in augmentation.vary_spectra(bare, generator))
    frames = window[:, around:-around] - around
    semitones = lessons.notes[rows[:, None], frames]  # (B, F, N)
    notes = torch.zeros(n_crops, 2 * semitones.shape[2] - 1, FRAMES)
    notes[:, ::2] = semitones.transpose(1, 2).float()
    notes = shift_bins(notes, quarters[:, around:-around]).transpose(1, 2).repeat(2, 1, 1)
    onsets = lessons.onsets[rows[:, None], frames].float().repeat(2, 1)
    conditions = None
    if lessons.conditions is not None:
        known = lessons.conditions[rows[:, None], frames].float()
        # The latent of other pitches is not known.
        conditions = torch.where(moves[..., None], torch.nan, known).repeat(2, 1, 1)
    elif lessons.known is not None:
        with torch.no_grad():
            told = lessons.known.read(bare)
        conditions = (told + told.roll(n_crops, dims=0)) / 2
    return Crops(bare, clean, heard, domains, notes, onsets, conditions)


def _same_spectra(known: Encoder, encoder: ConstantQEncoder) -> bool:
    """Whether two encoders hear the same crops of spectra through the same front end."""
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
    """Spectra, presence, notes, onsets and known latents of one piece, cut into segments."""
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
        if name not in sounds:
            continue
        whole = encoder.spectrum(nn.functional.pad(sounds[name], (margin, margin)))
        whole = shift_octaves(whole, -piece.domains[name].octave, config.bins_per_octave)[0]  # (n_bins, F)
        spectra[:, index] = (
            whole[:, : n * SEGMENT + 2 * around].unfold(1, SEGMENT + 2 * around, SEGMENT).transpose(0, 1).half()
        )
        present[:, index] = True
    notes, onsets = _written(piece, n * SEGMENT, hop / config.sample_rate)
    conditions = torch.zeros(n * SEGMENT, 1 if known is None else known.config.latent_channels)
    if known is not None and n:
        told = torch.stack([known.encode(sounds[name])[0] for name in known_domains if name in sounds]).mean(
            0
        )  # (F', C)
        # Each frame's middle, in frames of the known encoder.
        at = (torch.arange(n * SEGMENT) + 0.5) * hop / known.config.hop_length - 0.5
        at = at.clamp(0, len(told) - 1)
        below = at.long().clamp_max(max(0, len(told) - 2))
        part = (at - below)[:, None]
        conditions = torch.lerp(told[below], told[(below + 1).clamp_max(len(told) - 1)], part)
    cut = (part.view(n, SEGMENT, *part.shape[1:]) for part in (notes, onsets, conditions.half()))
    return spectra, present, *cut


def _written(piece: Piece, n_frames: int, frame_s: float) -> tuple[Tensor, Tensor]:
    """Which notes sound in the middle of each frame, (F, N), and whether one begins in it, (F,)."""
    notes = torch.zeros(n_frames, HIGHEST - LOWEST + 1, dtype=torch.bool)
    onsets = torch.zeros(n_frames, dtype=torch.bool)
    for onset_s, duration_s, pitch, _ in piece.notes:
        first, last = (round(at / frame_s) for at in (onset_s, onset_s + duration_s))
        if LOWEST <= pitch <= HIGHEST:
            notes[first : max(last, first + 1), pitch - LOWEST] = True
        onsets[int(onset_s / frame_s) : int(onset_s / frame_s) + 1] = True
    return notes, onsets
