"""A further domain for a translation network: a decoder of its own, on an encoder that stays as it is.

The encoder of a trained network hears music and forgets the instrument, so a new instrument needs
a decoder alone.  It starts from the decoder that says the new sounds best already and learns from a
few minutes of recordings; the other decoders, and what the encoder tells them, do not change.

References
----------
Mor, Wolf, Polyak, Taigman, "A Universal Music Translation Network", arXiv:1805.07848: its
decoders, too, are trained on one frozen encoding when a domain is added.
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
from wavecore.models.translation.config import TranslationTrainingConfig
from wavecore.models.translation.data import BatchSource
from wavecore.models.translation.describe import RANGE_QUANTILES
from wavecore.models.translation.model import TranslationNetwork
from wavecore.nn.wavenet import WaveNet
from wavecore.training import losses

CROPS, CROP_S = 32, 0.4
"""Of training sounds, on which the decoders are compared."""
TRAINED_S = 0.3
"""Length of the crops that are learnt from, about."""
UNHEARD = -30.0
"""The classifier's logit for a domain that it never learnt to tell."""
TRACKED_S, TRACKED_PIECES = 20.0, 12
"""Of each piece, and of how many, the pitch is followed."""
VOICED = 0.3
"""Share of frames that must show a pitch if the domain is to have a range."""


def settings(frame_rate: float, **changes) -> TranslationTrainingConfig:
    """Say how an added decoder is trained, unless something else is asked for.

    Parameters
    ----------
    frame_rate : float
        Latent frames per second of the network.
    **changes
        Of ``TranslationTrainingConfig``.

    Returns
    -------
    TranslationTrainingConfig
        With a frozen encoder and nobody to confuse.
    """
    defaults = {
        "steps": 2000, "crop_frames": max(1, round(TRAINED_S * frame_rate)), "optimizer": "muon", "learning_rate": 1e-3, "decay_fraction": 0.5,
        "context_tone_probability": 0.6, "context_noise_db": -15.0, "freeze_encoder": True, "confusion_crops": 0, "confusion_weight": 0.0,
    }  # fmt: skip
    return TranslationTrainingConfig(**(defaults | changes))


@torch.inference_mode()
def bits_by_decoder(source: TranslationNetwork, dataset: DomainsDataset, name: str) -> dict[str, float]:
    """Measure how well each decoder says new sounds without having learnt them.

    Parameters
    ----------
    dataset : DomainsDataset
        Its training sounds of `name` are taken.
    name : str
        The new domain.

    Returns
    -------
    dict of str to float
        Bits per sample, the median over crops, by target.
    """
    config = replace(source.config, domains=(name,), targets=(name,), shared_decoder=False)
    training = TranslationTrainingConfig(crop_frames=max(1, round(CROP_S * config.decoder.frame_rate)))
    batches = BatchSource(dataset, config, training, source.encoder.context_frames)
    batch = batches.validation_batch(name, name, n_crops=CROPS, split="train")
    latent = source.encoder(batch.clean)
    found = {}
    for target in source.config.targets:
        decoder = WaveNet(source.config.decoder).eval()
        decoder.load_state_dict(source.decoder_state(target))
        crops = zip(decoder(batch.codes, latent).split(1), batch.codes.split(1), strict=True)
        found[target] = float(np.median([losses.bits(losses.reconstruction(*crop)) for crop in crops]))
    return found


def begin(source: TranslationNetwork, name: str, like: str) -> TranslationNetwork:
    """Make the network that is trained: the encoder, and one decoder.

    Parameters
    ----------
    source : TranslationNetwork
        It is left as it is.
    name : str
        The new domain.
    like : str
        The target whose decoder the new one starts from.

    Returns
    -------
    TranslationNetwork
        Of the new domain alone.

    Raises
    ------
    UsageError
        If the source has a domain `name`, or cannot generate `like`.
    """
    if name in source.config.domains:
        raise UsageError(f"the model has a domain {name!r} already; it has {', '.join(source.config.domains)}")
    config = replace(source.config, domains=(name,), targets=(name,), shared_decoder=False)
    state = source.decoder_state(like)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = TranslationNetwork(config)
    network.encoder.load_state_dict(source.encoder.state_dict())
    network.decoders[name].load_state_dict(state)
    return network


def join(source: TranslationNetwork, added: TranslationNetwork) -> TranslationNetwork:
    """Set a new decoder beside those that were there.

    Parameters
    ----------
    source : TranslationNetwork
        It is left as it is.
    added : TranslationNetwork
        What ``begin`` made, trained.

    Returns
    -------
    TranslationNetwork
        With the domains of both.  Its classifier never names the new domain, which it did not learn.

    Raises
    ------
    UsageError
        If the encoders differ: the new decoder would not understand the other's latent.
    """
    (name,) = added.config.targets
    pairs = zip(source.encoder.state_dict().values(), added.encoder.state_dict().values(), strict=True)
    if source.config.encoder != added.config.encoder or not all(torch.equal(a, b) for a, b in pairs):
        raise UsageError(f"the decoder of {name!r} was trained on another encoder than the model's")
    whole = source.fork() if source.config.shared_decoder else copy.deepcopy(source)
    config = replace(whole.config, domains=(*whole.config.domains, name), targets=(*whole.config.targets, name))
    network = TranslationNetwork(config)
    state = {key: tensor for key, tensor in whole.state_dict().items()}
    last = f"classifier.layers.{len(network.classifier.layers) - 1}"
    state[f"{last}.weight"] = torch.cat([state[f"{last}.weight"], torch.zeros(1, config.classifier_channels)])
    state[f"{last}.bias"] = torch.cat([state[f"{last}.bias"], torch.tensor([UNHEARD])])
    state |= {f"decoders.{name}.{key}": tensor for key, tensor in added.decoders[name].state_dict().items()}
    network.load_state_dict(state)
    return network.eval()


def midi_range(dataset: DomainsDataset, name: str) -> list[float] | None:
    """Follow the pitch of recordings, to know what the domain can play.

    Returns
    -------
    list of float, or None
        MIDI note numbers of the 1st and 99th percentile of what sounded in training; None where
        most of it shows no single pitch: chords, drums.
    """
    pieces = dataset.pieces("train", domain=name)
    chosen = [
        pieces[i] for i in np.unique(np.linspace(0, len(pieces) - 1, min(len(pieces), TRACKED_PIECES)).astype(int))
    ]
    pitches, n_frames = [], 0
    for piece in chosen:
        x = mulaw.decode(np.array(dataset.codes(piece, name)[: int(TRACKED_S * dataset.sample_rate)]))
        track = track_f0(x, sample_rate=dataset.sample_rate)
        pitches.append(hz_to_midi(track.f0_hz[track.voiced]))
        n_frames += len(track.voiced)
    found = np.concatenate(pitches)
    if len(found) < VOICED * n_frames:
        return None
    return [round(float(value), 1) for value in np.quantile(found, RANGE_QUANTILES)]
