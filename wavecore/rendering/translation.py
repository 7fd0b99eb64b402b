"""Lines played by a translation network.

The encoder receives a plain synthesis of each line, and a decoder plays it.  A bottleneck of notes is supplied with the
score's own decisions, without a synthesis.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np
import torch

from wavecore.checkpoint import LoadedModel
from wavecore.nn.note_bottleneck import HIGHEST, LEVELS, LOWEST, N_CODES, N_PITCHES
from wavecore.rendering.casting import Line
from wavecore.rendering.mixer import Section, open_sections
from wavecore.rendering.sketch import REFERENCE_VELOCITY, sketch
from wavecore.symbolic.score import Score

BLOCK_SAMPLES = 16_000
"""Samples that are encoded at once, about."""
DEFAULT_LEVEL_DB = -20.0
CERTAIN = 30.0
"""A logit that no rounding changes."""
REFERENCE_LEVEL = 5
"""Step of the level, of ``LEVELS`` - 1, for a note of ``REFERENCE_VELOCITY``."""
STEP_DB = 80.0 / (LEVELS - 1)


def sections(model: LoadedModel, lines: Sequence[Line], *, device: str = "cpu", **options) -> list[Section]:
    """Open the generators of lines, with the model's targets; for `options` see ``mixer.open_sections``."""
    network = model.network
    return open_sections(
        lines,
        network.config.decoder,
        network.decoder_state,
        lambda some: _conditioning(model, some, device),
        by_instrument=True,
        device=device,
        **options,
    )


def _conditioning(model: LoadedModel, lines: Sequence[Line], device: str) -> Iterator[np.ndarray]:
    """Yield the latents of lines, (m, F, C), block by block."""
    encoder = model.network.encoder.to(device)
    n_frames = max(1, BLOCK_SAMPLES // encoder.config.hop_length)
    level_db = model.level_db(DEFAULT_LEVEL_DB)
    for frame in count(0, n_frames):
        with torch.inference_mode():
            if encoder.config.bottleneck:
                latent = encoder.bottleneck(_logits(encoder, lines, frame, n_frames).to(device))
            else:
                latent = encoder(_sketches(encoder, lines, frame, n_frames, level_db).to(device))
            yield latent.cpu().numpy()


def _logits(encoder, lines: Sequence[Line], frame: int, n_frames: int) -> torch.Tensor:
    """Return the logits of frames with their context, (m, F + 2 * context, N_CODES)."""
    context, frame_s = encoder.config.bottleneck_context, encoder.config.hop_length / encoder.config.sample_rate
    begin, length = frame - context, n_frames + 2 * context
    logits = [note_logits(line.score, begin, length, frame_s=frame_s, octave=line.octave) for line in lines]
    return torch.from_numpy(np.stack(logits))


def _sketches(encoder, lines: Sequence[Line], frame: int, n_frames: int, level_db: float) -> torch.Tensor:
    """Return the sound of frames with their context, (m, (F + 2 * context) * hop)."""
    hop, context = encoder.config.hop_length, encoder.context_frames
    begin, length = (frame - context) * hop, (n_frames + 2 * context) * hop
    options = {"sample_rate": encoder.config.sample_rate, "level_db": level_db}
    sounds = [sketch(line.score, begin, length, octave=line.octave, **options) for line in lines]
    return torch.from_numpy(np.stack(sounds))


def note_logits(line: Score, begin: int, n_frames: int, *, frame_s: float, octave: int = 0) -> np.ndarray:
    """Return the logits, (n_frames, N_CODES), that an encoder with a bottleneck of notes should give for a line.

    They begin with frame `begin`; before 0 nothing sounds.  A note sounds in the frames whose centre it covers, and in
    one at least, unless it is out of the bottleneck's range; its level follows the square of its velocity.  The line is
    higher by `octave` octaves and, like a tape, faster.
    """
    logits = np.full((n_frames, N_CODES), -CERTAIN, np.float32)
    speed = 2.0**octave
    for note in line.notes:
        first, last = (round(at / speed / frame_s) - begin for at in (note.onset_s, note.end_s))
        onset = int(note.onset_s / speed / frame_s) - begin
        pitch = note.pitch + 12 * octave
        if not LOWEST <= pitch <= HIGHEST or onset >= n_frames or max(last, first + 1) <= 0:
            continue
        sounding = slice(max(0, first), max(0, last, first + 1))
        logits[sounding, 2 * (pitch - LOWEST)] = CERTAIN
        logits[sounding, -1] = _level_logit(note.velocity)
        if onset >= 0:
            logits[onset, N_PITCHES] = CERTAIN
    return logits


def _level_logit(velocity: int) -> float:
    """Return the logit of a velocity's level."""
    level_db = 40 * np.log10(velocity / REFERENCE_VELOCITY)
    share = int(np.clip(REFERENCE_LEVEL + round(level_db / STEP_DB), 1, LEVELS - 1)) / (LEVELS - 1)
    return CERTAIN if share >= 1 else float(np.log(share / (1 - share)))
