"""A further domain for a translation network: a decoder of its own, on an encoder that stays as it is.

The encoder of a trained network forgets the instrument, so a new one needs a decoder alone.  It starts from the decoder
with the fewest bits per sample on the new sounds and is trained on a few minutes of recordings; the other decoders and
their conditioning do not change.

References
----------
Mor, Wolf, Polyak, Taigman, "A Universal Music Translation Network", arXiv:1805.07848, section 3.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import torch

from wavecore.audio import mulaw
from wavecore.audio.pitch import hz_to_midi, track_f0
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.errors import UsageError
from wavecore.models.translation.config import TranslationConfig, TranslationTrainingConfig
from wavecore.models.translation.data import RANGE_QUANTILES, BatchSource
from wavecore.models.translation.model import TranslationNetwork
from wavecore.nn.wavenet import WaveNet
from wavecore.training import losses
from wavecore.training.task import build_network

CROPS, CROP_S = 32, 0.4
"""Crops of training sounds on which the decoders are compared."""
TRAINED_S = 0.3
"""Length of the crops of the training, about."""
UNTRAINED_LOGIT = -30.0
"""The classifier's logit of a domain that it was not trained on."""
TRACKED_S, TRACKED_PIECES = 20.0, 12
"""Of each piece, and the number of pieces, whose pitch is tracked."""
VOICED = 0.3
"""Share of voiced frames that a domain needs to have a range."""


def settings(frame_rate: float, **changes) -> TranslationTrainingConfig:
    """Return the default settings of the training of an added decoder, with a frozen encoder and no confusion."""
    defaults = {
        "steps": 2000,
        "crop_frames": max(1, round(TRAINED_S * frame_rate)),
        "optimizer": "muon",
        "learning_rate": 1e-3,
        "decay_fraction": 0.5,
        "context_tone_probability": 0.6,
        "context_noise_db": -15.0,
        "freeze_encoder": True,
        "confusion_crops": 0,
        "confusion_weight": 0.0,
    }
    return TranslationTrainingConfig(**(defaults | changes))


def alone(config: TranslationConfig, name: str) -> TranslationConfig:
    """Return the configuration of a network that has one domain, and its decoder."""
    return replace(config, domains=(name,), targets=(name,), shared_decoder=False)


@torch.inference_mode()
def bits_by_decoder(source: TranslationNetwork, dataset: DomainsDataset, name: str) -> dict[str, float]:
    """Measure the bits per sample of each decoder on training sounds of a new domain, the median over crops.

    Returns
    -------
    dict of str to float
        By target.
    """
    config = alone(source.config, name)
    training = TranslationTrainingConfig(crop_frames=max(1, round(CROP_S * config.decoder.frame_rate)))
    batches = BatchSource(dataset, config, training, source.encoder.context_frames)
    batch = batches.validation_batch(name, name, n_crops=CROPS, split="train")
    latent = source.encoder(batch.clean)
    bits = {}
    for target in source.config.targets:
        decoder = WaveNet(source.config.decoder).eval()
        decoder.load_state_dict(source.decoder_state(target))
        crops = zip(decoder(batch.codes, latent).split(1), batch.codes.split(1), strict=True)
        bits[target] = float(np.median([losses.bits(losses.reconstruction(*crop)) for crop in crops]))
    return bits


def begin(source: TranslationNetwork, name: str, like: str) -> TranslationNetwork:
    """Return the network to train: a copy of the encoder, and a decoder of ``name`` that starts from that of ``like``.

    Raises UsageError if the source has a domain ``name`` or does not generate ``like``.
    """
    if name in source.config.domains:
        raise UsageError(f"the model has a domain {name!r} already; it has {', '.join(source.config.domains)}")
    state = source.decoder_state(like)
    network = build_network(TranslationNetwork, alone(source.config, name), seed=0)
    network.encoder.load_state_dict(source.encoder.state_dict())
    network.decoders[name].load_state_dict(state)
    return network


def join(source: TranslationNetwork, added: TranslationNetwork) -> TranslationNetwork:
    """Return a network with the domains of both.

    Its classifier never predicts the new domain, which it was not trained on.

    Parameters
    ----------
    source : TranslationNetwork
        Left as it is.
    added : TranslationNetwork
        The network of ``begin``, trained.

    Raises
    ------
    UsageError
        If the encoders, and so the latents, differ.
    """
    (name,) = added.config.targets
    pairs = zip(source.encoder.state_dict().values(), added.encoder.state_dict().values(), strict=True)
    if source.config.encoder != added.config.encoder or not all(torch.equal(a, b) for a, b in pairs):
        raise UsageError(f"the decoder of {name!r} was trained on another encoder than the model's")
    whole = source.fork() if source.config.shared_decoder else copy.deepcopy(source)
    config = replace(whole.config, domains=(*whole.config.domains, name), targets=(*whole.config.targets, name))
    network = TranslationNetwork(config)
    state = whole.state_dict()
    last = f"classifier.layers.{len(network.classifier.layers) - 1}"
    state[f"{last}.weight"] = torch.cat([state[f"{last}.weight"], torch.zeros(1, config.classifier_channels)])
    state[f"{last}.bias"] = torch.cat([state[f"{last}.bias"], torch.tensor([UNTRAINED_LOGIT])])
    state |= {f"decoders.{name}.{key}": tensor for key, tensor in added.decoders[name].state_dict().items()}
    network.load_state_dict(state)
    return network.eval()


def midi_range(dataset: DomainsDataset, name: str) -> list[float] | None:
    """Track the pitch of training recordings and return its 1st and 99th percentile, MIDI note numbers.

    None where most frames show no single pitch, as in chords and drums.
    """
    pieces = dataset.pieces("train", domain=name)
    rows = np.unique(np.linspace(0, len(pieces) - 1, min(len(pieces), TRACKED_PIECES)).astype(int))
    pitches, n_frames = [], 0
    for piece in (pieces[row] for row in rows):
        x = mulaw.decode(np.array(dataset.codes(piece, name)[: int(TRACKED_S * dataset.sample_rate)]))
        track = track_f0(x, sample_rate=dataset.sample_rate)
        pitches.append(hz_to_midi(track.f0_hz[track.voiced]))
        n_frames += len(track.voiced)
    voiced = np.concatenate(pitches)
    if len(voiced) < VOICED * n_frames:
        return None
    return [round(float(value), 1) for value in np.quantile(voiced, RANGE_QUANTILES)]
