"""Lines sung by a translation network.

A plain sketch of each line is heard by the encoder and said by a decoder; where notes are what passes
from one to the other, the score is told directly.  All lines of one instrument that play equally fast
are streams of one WaveNet batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np
import torch

from wavecore.checkpoint import LoadedModel
from wavecore.nn.generate import open_generator
from wavecore.rendering.casting import Line
from wavecore.rendering.decisions import answers
from wavecore.rendering.mixer import Section, threads_for
from wavecore.rendering.sketch import sketch

BLOCK_SAMPLES = 16_000
"""That are encoded at once, about."""
DEFAULT_LEVEL_DB = -20.0


def sections(
    model: LoadedModel,
    lines: Sequence[Line],
    *,
    seed: int,
    temperature: float,
    backend: str = "auto",
    device: str = "cpu",
) -> list[Section]:
    """Let decoders play lines.

    Parameters
    ----------
    model : LoadedModel
        Of kind ``translation``.
    lines : sequence of Line
        Instruments are targets of the model.
    seed : int
        Of the draws; line i has stream i, whoever plays beside it.
    temperature : float
        Divides the logits.
    backend, device : str
        See ``generate.open_generator``.
    """
    places: dict[tuple[str, int], list[int]] = {}
    for index, line in enumerate(lines):
        places.setdefault((line.instrument, line.octave), []).append(index)
    network = model.network
    return [
        Section(
            tuple(found),
            octave,
            open_generator(
                network.decoder_state(instrument), network.config.decoder, batch=len(found), seed=seed, streams=found, temperature=temperature,
                backend=backend, device=device, threads=threads_for(len(places)),
            ),
            _told(model, [lines[place] for place in found], device),
        )
        for (instrument, octave), found in places.items()
    ]  # fmt: skip


def _told(model: LoadedModel, lines: Sequence[Line], device: str) -> Iterator[np.ndarray]:
    """What passes from the score to the decoder, (m, F, C), block by block."""
    encoder = model.network.encoder.to(device)
    n_frames = max(1, BLOCK_SAMPLES // encoder.config.hop_length)
    level_db = float(model.card["training"].get("data", {}).get("level_db", DEFAULT_LEVEL_DB))
    for frame in count(0, n_frames):
        with torch.inference_mode():
            if encoder.config.bottleneck:
                yield encoder.bottleneck(_answers(encoder, lines, frame, n_frames).to(device)).cpu().numpy()
            else:
                yield encoder(_sketches(encoder, lines, frame, n_frames, level_db).to(device)).cpu().numpy()


def _answers(encoder, lines: Sequence[Line], frame: int, n_frames: int) -> torch.Tensor:
    """Decisions of the frames and of those around them, (m, F + 2 * context, N_CODES)."""
    around, frame_s = encoder.config.bottleneck_context, encoder.config.hop_length / encoder.config.sample_rate
    said = [
        answers(line.score, frame - around, n_frames + 2 * around, frame_s=frame_s, octave=line.octave)
        for line in lines
    ]
    return torch.from_numpy(np.stack(said))


def _sketches(encoder, lines: Sequence[Line], frame: int, n_frames: int, level_db: float) -> torch.Tensor:
    """Sound of the frames and of those around them, (m, (F + 2 * context) * hop)."""
    hop, around = encoder.config.hop_length, encoder.context_frames
    begin, length = (frame - around) * hop, (n_frames + 2 * around) * hop
    rate = encoder.config.sample_rate
    return torch.from_numpy(
        np.stack(
            [
                sketch(line.score, begin, length, sample_rate=rate, level_db=level_db, octave=line.octave)
                for line in lines
            ]
        )
    )
