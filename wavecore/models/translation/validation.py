"""Held-out measures of a translation network: bits per sample, domain accuracy."""

from __future__ import annotations

import torch

from wavecore.models.translation.data import BatchSource
from wavecore.models.translation.model import TranslationNetwork
from wavecore.training import losses


@torch.no_grad()
def validate(
    network: TranslationNetwork, source: BatchSource, *, n_crops: int, split: str = "valid", device: str = "cpu"
) -> dict[str, float]:
    """Measure a network on fixed held-out crops.

    Parameters
    ----------
    network : TranslationNetwork
        In evaluation mode.  Of targets whose decoders it does not hold nothing is found.
    n_crops : int
        Per domain.
    split : {"valid", "test"}

    Returns
    -------
    dict of str to float
        ``valid/bits/TARGET`` (the input is the target itself), with paired data
        ``valid/translation_bits/TARGET`` (the input is the first domain that cannot be
        generated, or else the first other one), ``valid/classifier_accuracy``,
        ``valid/latent_worth`` (bits that are lost with another crop's latent: near zero
        where the decoders do not listen), and ``valid/bits``, the mean that decides
        which model is the best.
    """
    config = network.config
    network = network.to(device)
    found: dict[str, float] = {}
    worths = []
    for target in config.targets:
        if not config.shared_decoder and target not in network.decoders:
            continue  # another process holds it
        inputs = {"bits": target}
        other = _foreign_input(config.domains, config.targets, target)
        if source.dataset.paired and other is not None:
            inputs["translation_bits"] = other
        for label, domain in inputs.items():
            batch = source.validation_batch(domain, target, n_crops=n_crops, split=split).to(device)
            latent = network.encoder(batch.clean, octave_shift=batch.octave_shift)
            logits = network(batch.codes, latent, batch.targets)
            nats = losses.reconstruction(logits, batch.codes, skip_samples=source.training.skip_samples)
            found[f"valid/{label}/{target}"] = losses.bits(nats)
            other_logits = network(batch.codes, latent.roll(1, dims=0), batch.targets)
            other_nats = losses.reconstruction(other_logits, batch.codes, skip_samples=source.training.skip_samples)
            worths.append(losses.bits(other_nats - nats))
    decisive = "translation_bits" if source.training.paired_probability else "bits"
    values = [value for name, value in found.items() if name.startswith(f"valid/{decisive}/")]
    found["valid/bits"] = sum(values) / len(values)
    found["valid/latent_worth"] = sum(worths) / len(worths)
    found["valid/classifier_accuracy"] = _classifier_accuracy(network, source, split, 4 * n_crops, device)
    return found


def _classifier_accuracy(network, source: BatchSource, split: str, n_crops: int, device: str) -> float:
    """Every domain counts the same, so 1 / D is chance whatever the classifier prefers."""
    rights = []
    for index, domain in enumerate(network.config.domains):
        audio, octave_shift = source.validation_inputs(domain, n_crops=n_crops, split=split)
        logits = network.classifier(network.encoder(audio.to(device), octave_shift=octave_shift.to(device)))
        rights.append(float(losses.accuracy(logits, torch.full((n_crops,), index, device=device))))
    return sum(rights) / len(rights)


def _foreign_input(domains: tuple[str, ...], targets: tuple[str, ...], target: str) -> str | None:
    foreign = [name for name in domains if name not in targets] or [name for name in domains if name != target]
    return foreign[0] if foreign else None
