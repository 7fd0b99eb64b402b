"""What training of a translation network starts from when its encoder is taught first.

Decoders that were trained on another encoder's latent are refitted: what leads linearly from the new
latent to the old one becomes part of the weights with which they listen, so they say at once
nearly what they said, and learn on from there.  A domain that has no decoder yet starts from the one
that says its sounds best.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.errors import UsageError
from wavecore.models.translation import pretrain_data, pretrain_encoder
from wavecore.models.translation.add_domain import bits_by_decoder
from wavecore.models.translation.config import TranslationConfig, TranslationTrainingConfig
from wavecore.models.translation.model import TranslationNetwork
from wavecore.models.translation.pretrain_encoder import LessonConfig, Taught


@dataclass(frozen=True)
class Start:
    """A network to train from, and how it came about.

    Attributes
    ----------
    taught : Taught
        What the encoder learnt.
    origins : dict of str to str
        By target, the old target whose decoder it starts from; empty without an old network.
    """

    network: TranslationNetwork
    taught: Taught
    origins: dict[str, str]


def with_taught_encoder(
    source: TranslationNetwork | None,
    dataset: DomainsDataset,
    config: TranslationConfig,
    *,
    how: LessonConfig = LessonConfig(),
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Start:
    """Teach an encoder, and fit an old network's decoders to it.

    Parameters
    ----------
    source : TranslationNetwork or None
        Whose decoders are taken, one per target; it is left as it is.  None builds new ones.
    dataset : DomainsDataset
        Paired, with notes.
    config : TranslationConfig
        Of the new network: its encoder may have another hop and another latent, its domains may be more.
    how : LessonConfig
        The encoder is taught.
    seed : int
        Of new weights and crops.
    on_progress : callable, optional
        Called with (steps done, steps in all).

    Raises
    ------
    UsageError
        If an encoder is no constant-Q one, the decoders have other sizes, or the data cannot teach.
    """
    if config.encoder.kind != "cqt" or (source is not None and source.config.encoder.kind != "cqt"):
        raise UsageError("only a constant-Q encoder can be taught from spectra; take --encoder cqt")
    source = source.fork() if source is not None and source.config.shared_decoder else source
    if source is not None:
        _refuse_other_decoders(source.config, config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = TranslationNetwork(config)
    same_code = source is not None and _same_code(source.config, config)
    if same_code:  # decisions mean what they meant, so the decoders know the latent already
        # Of a new context nothing is known yet, and nothing is added to the latent.
        network.encoder.bottleneck.load_state_dict(
            network.encoder.bottleneck.state_dict() | source.encoder.bottleneck.state_dict()
        )
        network.encoder.bottleneck.requires_grad_(False)
    known = {} if source is None or same_code else {
        "known": source.eval().encoder, "known_domains": [name for name in source.config.targets if name in dataset.domains],
    }  # fmt: skip
    lessons = pretrain_data.collect(dataset, network.encoder, **known)
    taught = pretrain_encoder.teach(network.encoder, lessons, how, seed=seed, on_progress=on_progress)
    network.encoder.requires_grad_(True)
    origins: dict[str, str] = {}
    for target in config.targets if source is not None else ():
        bits = {target: 0.0} if target in source.config.targets else bits_by_decoder(source, dataset, target)
        origins[target] = min(bits, key=bits.get)
        state = source.decoder_state(origins[target])
        if not same_code:
            state = refit(state, taught.weight, taught.bias, n_layers=config.decoder.n_layers)
        network.decoders[target].load_state_dict(state)
    return Start(network.eval(), taught, origins)


def lessons_like(training: TranslationTrainingConfig) -> LessonConfig:
    """Plan lessons for a run: what the run leaves out, its lessons leave out too.

    Parameters
    ----------
    training : TranslationTrainingConfig
        Without pairs, the same passage need not be the same in two domains; the pressure to forget the domain
        goes with ``confusion_weight``; music is moved, and coloured and covered, where the run's crops are.
    """
    usual, default = LessonConfig(), TranslationTrainingConfig()
    return LessonConfig(
        steps=training.pretraining_steps,
        apart=usual.apart if training.paired_probability else 0.0,
        confusion=usual.confusion * training.confusion_weight / default.confusion_weight,
        moved=usual.moved if training.transpose_semitones or training.glide_probability else 0.0,
        changed=usual.changed if training.augment_probability or training.noise_probability else 0.0,
    )


def refit(state: dict[str, Tensor], weight: Tensor, bias: Tensor, *, n_layers: int) -> dict[str, Tensor]:
    """Let a decoder listen to another latent.

    Parameters
    ----------
    state : dict of str to Tensor
        Of a ``WaveNet`` that knows a latent z'.
    weight, bias : Tensor, shapes (C, C') and (C',), float
        z' is about ``z @ weight + bias``.

    Returns
    -------
    dict of str to Tensor
        Of one that knows z, and says of it what the old one says of ``z @ weight + bias``.
    """
    state = {name: tensor.clone() for name, tensor in state.items()}
    # (z @ W + b) @ V + c = z @ (W @ V) + (b @ V + c).
    for i in range(n_layers):
        condition = state[f"layers.{i}.condition.weight"]
        state[f"layers.{i}.filter.bias"] += bias @ condition
        state[f"layers.{i}.condition.weight"] = weight @ condition
    state["head.bias"] += bias @ state["head_condition.weight"]
    state["head_condition.weight"] = weight @ state["head_condition.weight"]
    return state


def _same_code(old: TranslationConfig, new: TranslationConfig) -> bool:
    """Whether two encoders say the same of the same decisions, once one has the other's weights."""
    sizes = (
        "bottleneck",
        "latent_channels",
        "hop_length",
        *(("bottleneck_context",) if old.encoder.bottleneck_context else ()),
    )
    return bool(old.encoder.bottleneck) and all(
        getattr(old.encoder, size) == getattr(new.encoder, size) for size in sizes
    )


def _refuse_other_decoders(old: TranslationConfig, new: TranslationConfig) -> None:
    if new.shared_decoder:
        raise UsageError("the model of --init has a decoder per target, of which no shared one can be made")
    alike = replace(new.decoder, latent_channels=old.decoder.latent_channels, hop_length=old.decoder.hop_length)
    if alike != old.decoder:
        raise UsageError("the model's decoders have other sizes than those that are wanted; leave --preset out")
