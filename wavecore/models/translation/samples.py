"""Sounds written while a model trains: a loss is read, progress is heard."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from wavecore.audio import mulaw
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.errors import UsageError
from wavecore.models.translation.config import TranslationConfig
from wavecore.models.translation.model import TranslationNetwork
from wavecore.nn.generate import generate_blocks, open_generator


def write_samples(
    network: TranslationNetwork,
    dataset: DomainsDataset,
    folder: str | Path,
    *,
    step: int,
    seconds: float = 2.5,
    seed: int = 0,
    backend: str = "auto",
    device: str = "cpu",
) -> list[Path]:
    """Generate a held-out passage in every target domain.

    The passage of a target is the same at every step, so that the files of a
    run can be compared.

    Parameters
    ----------
    network : TranslationNetwork
        In evaluation mode, on the CPU.
    dataset : DomainsDataset
        The passages come from its ``valid`` split.
    folder : str or Path
        Gets ``step-XXXXXXXX__DOMAIN.wav``, and ``input__DOMAIN.wav``, which is
        what the network heard for that target.
    step : int
        For the names; files of the same step are replaced.
    seconds : float
        Length of a passage, rounded up to whole latent frames; shorter where
        no held-out piece is that long.
    seed : int
        Of the passages and of the draws.
    backend, device : str
        See ``generate.open_generator``.

    Returns
    -------
    list of Path
        The files of this step, in the order of the targets.

    Raises
    ------
    UsageError
        If ``seconds`` is not positive.
    InputError
        If no held-out piece has the length of the encoder's context and a frame.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise UsageError(f"seconds must be positive, not {seconds}")
    config, folder = network.config, Path(folder)
    n_frames = math.ceil(seconds * config.decoder.frame_rate)
    written = []
    for number, target in enumerate(config.targets):
        heard, latent = held_out_passage(network, dataset, target, n_frames, np.random.default_rng((seed, number)))
        generator = open_generator(
            network.decoder_state(target),
            config.decoder,
            batch=1,
            seed=seed,
            streams=[number],
            backend=backend,
            device=device,
        )
        codes = np.concatenate(list(generate_blocks(generator, latent)), axis=1)[0]
        written.append(folder / f"step-{step:08d}__{target}.wav")
        _write(folder / f"input__{target}.wav", heard, config.decoder.sample_rate)
        _write(written[-1], mulaw.decode(codes), config.decoder.sample_rate)
    return written


def input_domain(config: TranslationConfig, target: str, *, paired: bool) -> str:
    """Choose the domain whose sounds are translated to a target.

    Parameters
    ----------
    paired : bool
        Whether the data hold every piece in every domain.

    Returns
    -------
    str
        With paired data the first domain that cannot be generated, a whistle
        for example, or else the first other one; without, the target itself.
    """
    if not paired:
        return target
    heard_only = [name for name in config.domains if name not in config.targets]
    others = [name for name in config.domains if name != target]
    return (heard_only or others or [target])[0]


def held_out_passage(
    network: TranslationNetwork, dataset: DomainsDataset, target: str, n_frames: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a passage of the ``valid`` split that is to be translated.

    Parameters
    ----------
    n_frames : int
        Latent frames; fewer where no piece is that long.

    Returns
    -------
    sound : ndarray, shape (T,), float32
        Without its context, as ``input_domain`` plays it.
    latent : ndarray, shape (1, F, C), float32
    """
    encoder, hop = network.encoder, network.config.decoder.hop_length
    margin = encoder.context_frames * hop
    source = input_domain(network.config, target, paired=dataset.paired)
    pieces = [piece for piece in dataset.pieces("valid", domain=source) if target in piece.domains]
    longest = max((piece.domains[source].length for piece in pieces), default=0)
    n_frames = max(1, min(n_frames, (longest - 2 * margin) // hop))
    crop = dataset.paired_crop(rng, source, target, "valid", n_frames * hop + 2 * margin, hop)
    audio = mulaw.decode(crop.source)
    with torch.inference_mode():
        latent = encoder(torch.from_numpy(audio)[None], octave_shift=crop.octave_shift)
    return audio[margin : margin + n_frames * hop], latent.numpy()


def _write(path: Path, audio: np.ndarray, sample_rate: int) -> None:
    # Where a model is trained, libsndfile need not be until something is written.
    from wavecore.audio import files

    files.write(path, audio, sample_rate, overwrite=True)
