"""Pretraining of the encoder on written music, in minutes, before there is a decoder, and the network to train from.

The loss of a decoder hardly rewards an encoder for the moment at which a note begins, and not at all for forgetting the
instrument.  Where the same music exists in several domains with its notes, as in rendered scores, both are trained
directly:

* the notes that sound, their onsets and the level are predicted from the latent linearly, so that the conditioning of a
  decoder, which is linear in it, contains them;
* the latents of a passage in two domains are to be equal, and an adversarial classifier of the domain at chance;
* where there are decoders, the latent predicts linearly the one that they were trained on, and they are refitted: the
  linear map becomes part of their conditioning weights, so that they generate nearly what they did (``refit``).

The linear predictors are dropped afterwards.  Their input is the latent with noise, so that differences in the music
become large.  An encoder with a bottleneck of notes predicts the notes itself.

References
----------
Mor, Wolf, Polyak, Taigman, "A Universal Music Translation Network", arXiv:1805.07848: the domain confusion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.errors import UsageError
from wavecore.models.translation import pretrain_data
from wavecore.models.translation.add_domain import bits_by_decoder
from wavecore.models.translation.config import TranslationConfig, TranslationTrainingConfig
from wavecore.models.translation.model import DomainClassifier, TranslationNetwork
from wavecore.models.translation.pretrain_data import CHANGED, MOVED, PretrainingData
from wavecore.nn.encoders import FLOOR_DB, ConstantQEncoder, round_latent
from wavecore.nn.layers import Affine
from wavecore.nn.note_bottleneck import N_CODES, N_PITCHES, decide
from wavecore.training.task import build_network

LEARNING_RATE, WEIGHT_DECAY = 6e-3, 1e-3
ADVERSARY_RATE, ADVERSARY_CHANNELS, ADVERSARY_STEPS = 2e-3, 100, 2
FULL_RATE_TAPS = 3
"""Longest kernel that is trained at the full learning rate."""
LATENT_NOISE = 0.2
PITCH_GAIN = 8.0
"""Of the latent before the predictor of notes: the latent has unit power, and its logits have to be sharp."""
ROUNDED_VARIANCE = 0.4
"""Variance to which the channels of a latent within -1 and 1 are regularised; others to 1."""
WEIGHTS = {"notes": 1.0, "onset": 0.3, "level": 4.0, "condition": 0.2, "scale": 1.0}
"""Of the losses that ``PretrainingConfig`` does not weight."""
BEGIN, SETTLED = 0.2, 0.6
"""Shares of the steps at which the losses of the domain begin, and have their full weight: the notes come first."""
RECENT_STEPS = 100
"""Last steps whose mean measures are reported."""


@dataclass(frozen=True)
class PretrainingConfig:
    """Settings of the pretraining.

    Attributes
    ----------
    apart : float
        Weight of the difference between a passage's latents in two domains.
    confusion : float
        Weight of the adversarial loss.
    moved, changed : float, 0 to 1
        Shares of crops that are transposed, and that are varied.
    """

    steps: int = 4000
    apart: float = 1.0
    confusion: float = 0.3
    moved: float = MOVED
    changed: float = CHANGED

    @classmethod
    def for_training(cls, training: TranslationTrainingConfig) -> PretrainingConfig:
        """Return the settings that fit a run.

        Without pairs the latents of two domains need not be equal; the adversarial loss scales with
        ``confusion_weight``; crops are transposed, and varied, only where those of the run are.
        """
        own, default = cls(), TranslationTrainingConfig()
        return cls(
            steps=training.pretraining_steps,
            apart=own.apart if training.paired_probability else 0.0,
            confusion=own.confusion * training.confusion_weight / default.confusion_weight,
            moved=own.moved if training.transpose_semitones or training.glide_probability else 0.0,
            changed=own.changed if training.augment_probability or training.noise_probability else 0.0,
        )


@dataclass(frozen=True)
class Pretrained:
    """Measures of a pretraining, means over the last steps, and the map to the known latent.

    Attributes
    ----------
    notes_f1 : float
        Of the notes predicted in a frame.
    onset_nats, level_db : float
        Cross-entropy of the onsets; root mean square error of the level.
    condition : float
        Mean square error of the known latent, in units of its variance; 0 without one.
    apart : float
        Mean square difference of the latents, or of the bottleneck's decisions, of two domains, in units of their
        power.
    adversary : float
        Accuracy of the adversarial classifier.
    weight, bias : Tensor or None, shapes (C, C'), (C',), float32
        From the latent to the one that the decoders were trained on.
    """

    notes_f1: float
    onset_nats: float
    level_db: float
    condition: float
    apart: float
    adversary: float
    weight: Tensor | None
    bias: Tensor | None


@dataclass(frozen=True)
class Start:
    """A network to train from.

    Attributes
    ----------
    pretrained : Pretrained
        Measures of its encoder.
    origins : dict of str to str
        By target, the old target whose decoder it starts from; empty without an old network.
    """

    network: TranslationNetwork
    pretrained: Pretrained
    origins: dict[str, str]


def with_pretrained_encoder(
    source: TranslationNetwork | None,
    dataset: DomainsDataset,
    config: TranslationConfig,
    *,
    settings: PretrainingConfig | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Start:
    """Pretrain an encoder, and fit an old network's decoders to it.

    Parameters
    ----------
    source : TranslationNetwork or None
        Network whose decoders are taken, left as it is.  A target that it lacks starts from the decoder with the fewest
        bits per sample on its sounds.  None builds new decoders.
    dataset : DomainsDataset
        Paired, with notes.
    config : TranslationConfig
        Of the new network: its encoder may have another hop and another latent, its domains may be more.
    seed : int
        Of new weights and crops.
    on_progress : callable, optional
        Called with (steps done, steps in all).

    Raises
    ------
    UsageError
        If an encoder is no constant-Q one, the decoders have other sizes, or the data do not fit.
    """
    if config.encoder.kind != "cqt" or (source is not None and source.config.encoder.kind != "cqt"):
        raise UsageError("only a constant-Q encoder can be pretrained on spectra; take --encoder cqt")
    source = source.fork() if source is not None and source.config.shared_decoder else source
    if source is not None:
        _require_same_decoders(source.config, config)
    network = build_network(TranslationNetwork, config, seed=seed)
    same_code = source is not None and _same_code(source.config, config)
    if same_code:  # the decoders know this latent; the layers of a new context are zero and add nothing to it
        bottleneck = network.encoder.bottleneck
        bottleneck.load_state_dict(bottleneck.state_dict() | source.encoder.bottleneck.state_dict())
        bottleneck.requires_grad_(False)
    known = {}
    if source is not None and not same_code:
        domains = [name for name in source.config.targets if name in dataset.domains]
        known = {"known": source.eval().encoder, "known_domains": domains}
    data = pretrain_data.collect(dataset, network.encoder, **known)
    pretrained = pretrain(network.encoder, data, settings, seed=seed, on_progress=on_progress)
    network.encoder.requires_grad_(True)
    origins: dict[str, str] = {}
    for target in config.targets if source is not None else ():
        bits = {target: 0.0} if target in source.config.targets else bits_by_decoder(source, dataset, target)
        origins[target] = min(bits, key=bits.get)
        state = source.decoder_state(origins[target])
        if not same_code:
            state = refit(state, pretrained.weight, pretrained.bias, n_layers=config.decoder.n_layers)
        network.decoders[target].load_state_dict(state)
    return Start(network.eval(), pretrained, origins)


def refit(state: dict[str, Tensor], weight: Tensor, bias: Tensor, *, n_layers: int) -> dict[str, Tensor]:
    """Fold a linear map of the latent into a decoder.

    Parameters
    ----------
    state : dict of str to Tensor
        Of a ``WaveNet`` for a latent z'.
    weight, bias : Tensor, shapes (C, C') and (C',), float
        z' is about ``z @ weight + bias``.

    Returns
    -------
    dict of str to Tensor
        Of one for the latent z with the same output as the old one for ``z @ weight + bias``.
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


def pretrain(
    encoder: ConstantQEncoder,
    data: PretrainingData,
    settings: PretrainingConfig | None = None,
    *,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Pretrained:
    """Train an encoder in place; the seed is that of crops, noise and the predictors' initial weights.

    Without steps the measures are NaN.
    """
    settings = settings or PretrainingConfig()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trainer, steps = _Pretrainer(encoder, data, settings, seed), settings.steps
        rates = [group["lr"] for group in trainer.optimizer.param_groups]
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            trainer.optimizer, rates, total_steps=max(steps, 2), pct_start=0.15
        )
        recent: list[tuple[float, ...]] = []
        for step in range(steps):
            pressure = min(1.0, max(0.0, (step / steps - BEGIN) / (SETTLED - BEGIN)))
            recent = [*recent[1 - RECENT_STEPS :], trainer.step(pressure)]
            schedule.step()
            if on_progress is not None:
                on_progress(step + 1, steps)
    means = np.mean(recent, axis=0).tolist() if recent else [float("nan")] * 6
    leading = trainer.known_latent
    return Pretrained(*means, *((None, None) if leading is None else (leading.weight.detach(), leading.bias.detach())))


class _Pretrainer:
    """The encoder, its linear predictors and its adversary."""

    def __init__(self, encoder: ConstantQEncoder, data: PretrainingData, settings: PretrainingConfig, seed: int):
        self.encoder, self.data, self.settings = encoder, data, settings
        self.weights = WEIGHTS | {"apart": settings.apart, "confusion": settings.confusion}
        channels = encoder.config.latent_channels
        self.pitch, self.onset, self.level = (Affine(channels, n, gain=0.3) for n in (N_PITCHES, 1, 1))
        self.known_latent = None if data.known_channels is None else Affine(channels, data.known_channels)
        trained = [encoder, self.pitch, self.onset, self.level, self.known_latent]
        code_channels = channels if encoder.bottleneck is None else N_CODES
        self.adversary = DomainClassifier(code_channels, ADVERSARY_CHANNELS, len(data.domains))
        parameters = [p for module in trained if module is not None for p in module.parameters() if p.requires_grad]
        # Adam moves every weight by about the same amount; an output that sums more of them would move further.
        wide = [p for p in parameters if p.ndim == 3 and p.shape[2] > FULL_RATE_TAPS]
        groups = [{"params": [p], "lr": LEARNING_RATE * FULL_RATE_TAPS / p.shape[2]} for p in wide]
        groups.append({"params": [p for p in parameters if all(p is not other for other in wide)]})
        self.optimizer = torch.optim.AdamW(groups, LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        self.adversary_optimizer = torch.optim.Adam(self.adversary.parameters(), ADVERSARY_RATE)
        self.variance = ROUNDED_VARIANCE if encoder.config.latent_levels else 1.0
        self.generator = torch.Generator().manual_seed(seed)

    def step(self, pressure: float) -> tuple[float, ...]:
        """Train on one batch and return the measures; ``pressure``, 0 to 1, weights the losses of the domain."""
        shares = {"moved": self.settings.moved, "changed": self.settings.changed}
        crops = pretrain_data.draw(self.data, self.generator, self.encoder.config.bins_per_octave, **shares)
        latent, logits = self._encode(crops.noisy, pressure)
        # With a bottleneck the decisions are compared, whose scale is fixed.
        code = latent if logits is None else decide(logits)
        accuracy = self._train_adversary(code.detach(), crops.domains)
        noise = LATENT_NOISE if logits is None else 0.0
        noisy = latent + noise * torch.randn(latent.shape, generator=self.generator)
        pitch_logits, onset_logits, level = self._predict(noisy, logits)
        # The target is the loudest bin, the mean of both domains: the level of the music, not of an instrument.
        around = self.data.hearing_frames
        loudest = crops.clean[..., around:-around].amax(dim=1)
        apart = (code - _swapped(code)).square().mean() / code.detach().square().mean()
        terms = {
            "notes": crops.notes.shape[-1] * _cross_entropy(pitch_logits, crops.notes),
            "onset": _cross_entropy(onset_logits, crops.onsets),
            "level": (level - (loudest + _swapped(loudest)) / 2).square().mean(),
            "apart": pressure * apart,
            "confusion": -pressure * nn.functional.cross_entropy(self.adversary(code), crops.domains),
        }
        if logits is None:  # decisions have their scale; the channels of any other latent get one, about zero
            spread = latent.var(dim=(0, 1))
            terms["scale"] = ((spread - self.variance).square() + latent.mean(dim=(0, 1)).square()).mean()
        if self.known_latent is not None:
            known = ~crops.conditions.isnan().any(dim=-1)
            missed = (self.known_latent(noisy[known]) - crops.conditions[known]).square().mean()
            terms["condition"] = missed / crops.conditions[known].var(dim=0).mean()
        self.optimizer.zero_grad()
        sum(self.weights[name] * loss for name, loss in terms.items()).backward()
        self.optimizer.step()
        values = {name: float(loss.detach()) for name, loss in terms.items()}
        level_db = -FLOOR_DB * float(terms["level"].detach().sqrt())
        f1 = _f1(pitch_logits.detach() > 0, crops.notes > 0)
        return f1, values["onset"], level_db, values.get("condition", 0.0), float(apart.detach()), accuracy

    def _train_adversary(self, code: Tensor, domains: Tensor) -> float:
        """Train the classifier of the domain and return its accuracy."""
        for _ in range(ADVERSARY_STEPS):
            guess = self.adversary(code)
            self.adversary_optimizer.zero_grad()
            nn.functional.cross_entropy(guess, domains).backward()
            self.adversary_optimizer.step()
        return float((guess.argmax(-1) == domains).float().mean())

    def _encode(self, spectra: Tensor, pressure: float) -> tuple[Tensor, Tensor | None]:
        """Return the latent, (2 B, F, C), and the logits before a bottleneck."""
        features = self.encoder.features(spectra)
        if self.encoder.bottleneck is not None:
            return self.encoder.bottleneck.embed(features), features
        if self.encoder.config.latent_levels:
            # Rounding from the first step on, almost nothing is learned.
            features = round_latent(features, self.encoder.config.latent_levels) if pressure else torch.tanh(features)
        return features, None

    def _predict(self, latent: Tensor, logits: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits of the notes and of an onset, and the level, of the predictors or of the encoder itself."""
        if logits is None:
            return self.pitch(PITCH_GAIN * latent), self.onset(latent)[..., 0], self.level(latent)[..., 0]
        return logits[..., :N_PITCHES], logits[..., N_PITCHES], torch.sigmoid(logits[..., -1])


def _swapped(x: Tensor) -> Tensor:
    """Return the rows of the same passages in the other domain."""
    return x.roll(len(x) // 2, dims=0)


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits, targets)


def _f1(predicted: Tensor, notes: Tensor) -> float:
    return float(2 * (predicted & notes).sum() / (predicted.sum() + notes.sum()).clamp_min(1))


def _same_code(old: TranslationConfig, new: TranslationConfig) -> bool:
    """Return whether two encoders have the same latent for the same decisions, given the same bottleneck weights."""
    sizes = ["bottleneck", "latent_channels", "hop_length"]
    sizes += ["bottleneck_context"] if old.encoder.bottleneck_context else []
    same = all(getattr(old.encoder, size) == getattr(new.encoder, size) for size in sizes)
    return bool(old.encoder.bottleneck) and same


def _require_same_decoders(old: TranslationConfig, new: TranslationConfig) -> None:
    if new.shared_decoder:
        raise UsageError("the model of --init has a decoder per target, of which no shared one can be made")
    latent = {"latent_channels": old.decoder.latent_channels, "hop_length": old.decoder.hop_length}
    if replace(new.decoder, **latent) != old.decoder:
        raise UsageError("the decoders of the model of --init have other sizes; leave --preset out")
