"""Held-out melodies are generated while a network trains, and heard: do they follow the input?

A decoder's loss is measured on a past that is right; what it says from a past of its own can be
another matter, and the loss does not tell.
"""

from __future__ import annotations

import numpy as np

from wavecore.audio import mulaw
from wavecore.audio.pitch import track_f0
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.metrics.pitch import raw_chroma_accuracy
from wavecore.models.translation.model import TranslationNetwork
from wavecore.models.translation.samples import held_out_passage
from wavecore.nn.generate import generate_blocks, open_generator

SECONDS = 2.5
PREFIX = "valid/transfer/"


def measure_transfer(
    network: TranslationNetwork,
    dataset: DomainsDataset,
    *,
    n_passages: int,
    seconds: float = SECONDS,
    backend: str = "auto",
) -> dict[str, float]:
    """Translate held-out passages, the same at every call, and follow their pitch.

    Parameters
    ----------
    network : TranslationNetwork
        In evaluation mode, on the CPU.  Targets whose decoders it does not hold are left out.
    dataset : DomainsDataset
        The passages come from its ``valid`` split; of domains as ``samples.input_domain`` says.
    n_passages : int
        Per target; those in which no pitch is heard do not count.
    seconds : float
        Of each.
    backend : str
        See ``generate.open_generator``.

    Returns
    -------
    dict of str to float
        ``valid/transfer/TARGET``: raw chroma accuracy against the input, the mean over the passages.
    """
    found = {}
    config = network.config
    n_frames = max(1, round(seconds * config.decoder.frame_rate))
    for number, target in enumerate(config.targets):
        if not config.shared_decoder and target not in network.decoders:
            continue  # another process holds it
        drawn = [
            held_out_passage(network, dataset, target, n_frames, np.random.default_rng((1, number, row)))
            for row in range(n_passages)
        ]
        heard, latents = zip(*drawn, strict=True)
        generator = open_generator(
            network.decoder_state(target), config.decoder, batch=n_passages, seed=0,
            streams=[n_passages * number + row for row in range(n_passages)], backend=backend,
        )  # fmt: skip
        codes = np.concatenate(list(generate_blocks(generator, np.concatenate(latents))), axis=1)
        shares = [
            _followed(sound, mulaw.decode(said), config.decoder.sample_rate)
            for sound, said in zip(heard, codes, strict=True)
        ]
        voiced = [share for share in shares if share is not None]
        if voiced:
            found[f"{PREFIX}{target}"] = float(np.mean(voiced))
    return found


def error(found: dict[str, float]) -> float:
    """Say how far a validated network is from what is wanted, so that the best one can be kept.

    Parameters
    ----------
    found : dict of str to float
        Of a validation.

    Returns
    -------
    float
        The share of melodies that is missed where it was measured, else the held-out bits; lower is better.
    """
    shares = [value for name, value in found.items() if name.startswith(PREFIX)]
    return 1 - sum(shares) / len(shares) if shares else found["valid/bits"]


def _followed(heard: np.ndarray, said: np.ndarray, sample_rate: int) -> float | None:
    reference = track_f0(heard, sample_rate=sample_rate)
    if not reference.voiced.any():
        return None
    return raw_chroma_accuracy(reference, track_f0(said, sample_rate=sample_rate))
