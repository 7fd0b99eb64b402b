"""Held-out measures of a network in training: bits per sample, domain accuracy, melodies that are kept; and samples.

The bits are measured under teacher forcing; free-running generation can fail where they are low, which the melodies
show.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from wavecore.audio import mulaw
from wavecore.audio.pitch import track_f0
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.metrics.pitch import raw_chroma_accuracy
from wavecore.models.translation.config import TranslationConfig
from wavecore.models.translation.data import BatchSource
from wavecore.models.translation.model import TranslationNetwork
from wavecore.nn.generate import generate_blocks, open_generator
from wavecore.training import losses

PASSAGE_S = 2.5
TRANSFER = "valid/transfer/"


@torch.no_grad()
def validate(
    network: TranslationNetwork, source: BatchSource, *, n_crops: int, split: str = "valid", device: str = "cpu"
) -> dict[str, float]:
    """Measure a network on fixed held-out crops, ``n_crops`` per domain, under teacher forcing.

    Parameters
    ----------
    network : TranslationNetwork
        In evaluation mode.  Targets whose decoders other processes train are left out.

    Returns
    -------
    dict of str to float
        ``valid/bits/TARGET`` (the input is the target itself), with paired data ``valid/translation_bits/TARGET`` (the
        input is ``other_domain``), ``valid/classifier_accuracy``, ``valid/latent_worth`` (bits that are lost with
        another crop's latent: near zero where the decoders ignore it), and ``valid/bits``, the mean that decides which
        model is the best.
    """
    network = network.to(device)
    skip_samples = source.training.skip_samples
    measures: dict[str, float] = {}
    worths = []
    for target in network.trained_here():
        inputs = {"bits": target}
        other = other_domain(network.config, target)
        if source.dataset.paired and other is not None:
            inputs["translation_bits"] = other
        for label, domain in inputs.items():
            batch = source.validation_batch(domain, target, n_crops=n_crops, split=split).to(device)
            latent = network.encoder(batch.clean, octave_shift=batch.octave_shift)
            nats, swapped = (
                losses.reconstruction(network(batch.codes, each, batch.targets), batch.codes, skip_samples=skip_samples)
                for each in (latent, latent.roll(1, dims=0))
            )
            measures[f"valid/{label}/{target}"] = losses.bits(nats)
            worths.append(losses.bits(swapped - nats))
    decisive = "translation_bits" if source.training.paired_probability else "bits"
    values = [value for name, value in measures.items() if name.startswith(f"valid/{decisive}/")]
    measures["valid/bits"] = sum(values) / len(values)
    measures["valid/latent_worth"] = sum(worths) / len(worths)
    measures["valid/classifier_accuracy"] = _classifier_accuracy(network, source, split, 4 * n_crops, device)
    return measures


def _classifier_accuracy(
    network: TranslationNetwork, source: BatchSource, split: str, n_crops: int, device: str
) -> float:
    """Return the mean accuracy over the domains, so that 1 / D is chance whatever the classifier prefers."""
    accuracies = []
    for index, domain in enumerate(network.config.domains):
        audio, octave_shift = source.validation_inputs(domain, n_crops=n_crops, split=split)
        logits = network.classifier(network.encoder(audio.to(device), octave_shift=octave_shift.to(device)))
        accuracies.append(float(losses.accuracy(logits, torch.full((n_crops,), index, device=device))))
    return sum(accuracies) / len(accuracies)


def measure_transfer(
    network: TranslationNetwork,
    dataset: DomainsDataset,
    *,
    n_passages: int,
    seconds: float = PASSAGE_S,
    backend: str = "auto",
) -> dict[str, float]:
    """Translate held-out passages, the same at every call, and measure how well their pitch is kept.

    Parameters
    ----------
    network : TranslationNetwork
        In evaluation mode, on the CPU.  Targets whose decoders other processes train are left out.
    n_passages : int
        Per target; those without a voiced frame do not count.

    Returns
    -------
    dict of str to float
        ``valid/transfer/TARGET``: raw chroma accuracy against the input, the mean over the passages.
    """
    measures = {}
    config = network.config
    n_frames = max(1, round(seconds * config.decoder.frame_rate))
    for target in network.trained_here():
        number = config.targets.index(target)
        passages = [
            held_out_passage(network, dataset, target, n_frames, np.random.default_rng((1, number, row)))
            for row in range(n_passages)
        ]
        inputs, latents = zip(*passages, strict=True)
        generator = open_generator(
            network.decoder_state(target),
            config.decoder,
            batch=n_passages,
            seed=0,
            streams=[n_passages * number + row for row in range(n_passages)],
            backend=backend,
        )
        outputs = mulaw.decode(np.concatenate(list(generate_blocks(generator, np.concatenate(latents))), axis=1))
        shares = []
        for x, y in zip(inputs, outputs, strict=True):
            reference = track_f0(x, sample_rate=config.decoder.sample_rate)
            if reference.voiced.any():
                shares.append(raw_chroma_accuracy(reference, track_f0(y, sample_rate=config.decoder.sample_rate)))
        if shares:
            measures[f"{TRANSFER}{target}"] = float(np.mean(shares))
    return measures


def error(measures: dict[str, float]) -> float:
    """Return what decides which model is kept, the lower the better: the share of melodies lost, or else the bits."""
    shares = [value for name, value in measures.items() if name.startswith(TRANSFER)]
    return 1 - sum(shares) / len(shares) if shares else measures["valid/bits"]


def write_samples(
    network: TranslationNetwork, dataset: DomainsDataset, folder: Path, *, step: int, seconds: float = PASSAGE_S
) -> list[Path]:
    """Generate a held-out passage, the same at every step, in every target domain.

    Parameters
    ----------
    network : TranslationNetwork
        In evaluation mode, on the CPU.
    folder : Path
        Gets ``step-XXXXXXXX__DOMAIN.wav``, and ``input__DOMAIN.wav``, the network's input for that target.
    seconds : float
        Length of a passage, rounded up to whole latent frames; shorter where no held-out piece is that long.

    Returns
    -------
    list of Path
        The files of this step, in the order of the targets.

    Raises
    ------
    InputError
        If no held-out piece has the length of the encoder's context and a frame.
    """
    from wavecore.audio import files  # libsndfile is needed only where something is written

    config = network.config
    n_frames, rate = int(np.ceil(seconds * config.decoder.frame_rate)), config.decoder.sample_rate
    written = []
    for number, target in enumerate(config.targets):
        x, latent = held_out_passage(network, dataset, target, n_frames, np.random.default_rng((0, number)))
        generator = open_generator(network.decoder_state(target), config.decoder, batch=1, seed=0, streams=[number])
        codes = np.concatenate(list(generate_blocks(generator, latent)), axis=1)[0]
        written.append(folder / f"step-{step:08d}__{target}.wav")
        files.write(folder / f"input__{target}.wav", x, rate, overwrite=True)
        files.write(written[-1], mulaw.decode(codes), rate, overwrite=True)
    return written


def other_domain(config: TranslationConfig, target: str) -> str | None:
    """Return the first domain that cannot be generated, a whistle for example, or else the first other than a
    target."""
    inputs_only = [name for name in config.domains if name not in config.targets]
    return next(iter(inputs_only or [name for name in config.domains if name != target]), None)


def held_out_passage(
    network: TranslationNetwork, dataset: DomainsDataset, target: str, n_frames: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a passage of the ``valid`` split to translate: of ``other_domain``, or the target's own in unpaired data.

    Parameters
    ----------
    n_frames : int
        Latent frames; fewer where no piece is that long.

    Returns
    -------
    sound : ndarray, shape (T,), float32
        Without its context.
    latent : ndarray, shape (1, F, C), float32
    """
    encoder, hop = network.encoder, network.config.decoder.hop_length
    margin = encoder.context_frames * hop
    source = (other_domain(network.config, target) if dataset.paired else None) or target
    pieces = [piece for piece in dataset.pieces("valid", domain=source) if target in piece.domains]
    longest = max((piece.domains[source].length for piece in pieces), default=0)
    n_frames = max(1, min(n_frames, (longest - 2 * margin) // hop))
    crop = dataset.paired_crop(rng, source, target, "valid", n_frames * hop + 2 * margin, hop)
    audio = mulaw.decode(crop.source)
    with torch.inference_mode():
        latent = encoder(torch.from_numpy(audio)[None], octave_shift=crop.octave_shift)
    return audio[margin : margin + n_frames * hop], latent.numpy()
