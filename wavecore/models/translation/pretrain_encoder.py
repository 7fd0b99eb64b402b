"""An encoder for translation learns from written music alone, in minutes, before a decoder has to understand it.

A decoder's loss follows for the most part from what it has just said, so it rewards an encoder
little for the moment at which a note begins, and not at all for forgetting the instrument.  Where
the same music exists in several domains and its notes are known, as in rendered scores, both can
be taught directly:

* the notes that sound, when one begins, and how loud the music is are to be read from the latent
  linearly, so that a decoder's condition, which is linear in it, can hear them;
* the same passage is to give the same latent in every domain, and a classifier of the domain,
  which learns against the encoder, is not to find a difference;
* where there are decoders already, the latent leads linearly to the one that they know, so that
  they need not begin anew (``refit``).

Judges are thrown away afterwards.  They read the latent with noise upon it, so that what differs in
the music differs widely.  An encoder with a bottleneck of notes is its own judge: its answers are the notes.

References
----------
Mor, Wolf, Polyak, Taigman, "A Universal Music Translation Network", arXiv:1805.07848: the domain
confusion.  Teaching it from paired renderings and their notes is ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from wavecore.models.translation.model import DomainClassifier
from wavecore.models.translation.pretrain_data import CHANGED, MOVED, Lessons, draw
from wavecore.nn.encoders import ConstantQEncoder, round_latent
from wavecore.nn.layers import Affine
from wavecore.nn.note_bottleneck import N_CODES, N_PITCHES, decide

LEARNING_RATE, WEIGHT_DECAY = 6e-3, 1e-3
ADVERSARY_RATE, ADVERSARY_CHANNELS, ADVERSARY_STEPS = 2e-3, 100, 2
USUAL_TAPS = 3
"""Of a convolution that learns at that rate."""
LATENT_NOISE = 0.2
LOUD = 8.0
"""How strongly the judge of notes hears the latent, which is of unit power: its answers have to be sharp."""
ROUNDED_SPREAD = 0.4
"""Variance that the channels of a latent within -1 and 1 are drawn to; others to 1."""
WEIGHTS = {"notes": 1.0, "onset": 0.3, "level": 4.0, "condition": 0.2, "scale": 1.0}
"""Of the losses that ``LessonConfig`` does not weigh."""
BEGIN, SETTLED = 0.2, 0.6
"""Shares of the steps at which forgetting the domain begins to count, and counts in full: first the music is learnt."""


@dataclass(frozen=True)
class LessonConfig:
    """How an encoder is taught.

    Attributes
    ----------
    apart : float
        How much it counts that a passage's latents differ between two domains.
    confusion : float
        How much the encoder gains from a wrong classifier.
    moved, changed : float, 0 to 1
        Shares of crops whose pitch is moved, and that are coloured and covered by noise.
    """

    steps: int = 4000
    apart: float = 1.0
    confusion: float = 0.3
    moved: float = MOVED
    changed: float = CHANGED


@dataclass(frozen=True)
class Taught:
    """What came of the lessons, means over the last hundred steps.

    Attributes
    ----------
    notes_f1 : float
        Of the notes that are named in a frame.
    onset_nats, level_db : float
        Cross-entropy of the onsets; root mean square error of the level.
    condition : float
        Missed of the wanted latent, in units of its variance; 0 without one.
    apart : float
        Mean square difference of the latents of two domains, in units of the latent's power; of decisions,
        where there is a bottleneck.
    adversary : float
        Accuracy of the classifier that was trained against the encoder.
    weight, bias : Tensor or None, shapes (C, C'), (C',), float32
        From the latent to the one that decoders know.
    """

    notes_f1: float
    onset_nats: float
    level_db: float
    condition: float
    apart: float
    adversary: float
    weight: Tensor | None
    bias: Tensor | None


def teach(
    encoder: ConstantQEncoder,
    lessons: Lessons,
    config: LessonConfig = LessonConfig(),
    *,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Taught:
    """Train an encoder.

    Parameters
    ----------
    encoder : ConstantQEncoder
        It is changed.
    seed : int
        Of crops, noise and the judges' first weights.
    on_progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    Taught
        NaN without steps.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        school, steps = _School(encoder, lessons, config, seed), config.steps
        rates = [group["lr"] for group in school.optimizer.param_groups]
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            school.optimizer, rates, total_steps=max(steps, 2), pct_start=0.15
        )
        recent: list[tuple[float, ...]] = []
        for step in range(steps):
            recent = [*recent[-99:], school.step(min(1.0, max(0.0, (step / steps - BEGIN) / (SETTLED - BEGIN))))]
            schedule.step()
            if on_progress is not None:
                on_progress(step + 1, steps)
    means = np.mean(recent, axis=0).tolist() if recent else [float("nan")] * 6
    leading = school.leading
    return Taught(*means, *((None, None) if leading is None else (leading.weight.detach(), leading.bias.detach())))


class _School:
    """The encoder, its judges and its adversary."""

    def __init__(self, encoder: ConstantQEncoder, lessons: Lessons, config: LessonConfig, seed: int):
        self.encoder, self.lessons, self.config = encoder, lessons, config
        self.weights = WEIGHTS | {"apart": config.apart, "confusion": config.confusion}
        channels = encoder.config.latent_channels
        self.naming, self.beginning, self.loudness = (Affine(channels, n, gain=0.3) for n in (N_PITCHES, 1, 1))
        self.leading = None
        students = [encoder, self.naming, self.beginning, self.loudness]
        if lessons.conditions is not None or lessons.known is not None:
            known = lessons.conditions.shape[-1] if lessons.known is None else lessons.known.config.latent_channels
            self.leading = Affine(channels, known)
            students.append(self.leading)
        passed = channels if encoder.bottleneck is None else N_CODES
        self.adversary = DomainClassifier(passed, ADVERSARY_CHANNELS, len(lessons.domains))
        parameters = [
            parameter for student in students for parameter in student.parameters() if parameter.requires_grad
        ]
        # Adam moves every weight alike; who sums more of them moves further by it.
        wide = [parameter for parameter in parameters if parameter.ndim == 3 and parameter.shape[2] > USUAL_TAPS]
        groups = [{"params": [parameter], "lr": LEARNING_RATE * USUAL_TAPS / parameter.shape[2]} for parameter in wide]
        groups.append(
            {"params": [parameter for parameter in parameters if all(parameter is not other for other in wide)]}
        )
        self.optimizer = torch.optim.AdamW(groups, LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        self.against = torch.optim.Adam(self.adversary.parameters(), ADVERSARY_RATE)
        self.spread = ROUNDED_SPREAD if encoder.config.latent_levels else 1.0
        self.generator = torch.Generator().manual_seed(seed)

    def step(self, pressure: float) -> tuple[float, ...]:
        """Learn from one batch; `pressure`, 0 to 1, is how much forgetting the domain counts."""
        shares = {"moved": self.config.moved, "changed": self.config.changed}
        crops = draw(self.lessons, self.generator, self.encoder.config.bins_per_octave, **shares)
        notes, domains = crops.notes, crops.domains
        latent, answers = self._read(crops.heard, pressure)
        # What passes is told apart, not the latent's scale.
        passed = latent if answers is None else decide(answers)
        for _ in range(ADVERSARY_STEPS):
            guess = self.adversary(passed.detach())
            adverse = nn.functional.cross_entropy(guess, domains)
            self.against.zero_grad()
            adverse.backward()
            self.against.step()
        noise = LATENT_NOISE if answers is None else 0.0
        seen = latent + noise * torch.randn(latent.shape, generator=self.generator)
        named, begun, loud = self._judged(seen, answers)
        found = {"notes": notes.shape[-1] * _binary(named, notes), "onset": _binary(begun, crops.onsets)}
        # The loudest bin of both domains' frames: how loud the music is, not how loud a domain plays it.
        around = self.lessons.hearing_frames
        level = crops.clean[..., around:-around].amax(dim=1)
        wanted = (level + level.roll(len(level) // 2, dims=0)) / 2
        found["level"] = (loud - wanted).square().mean()
        apart = (passed - passed.roll(len(passed) // 2, dims=0)).square().mean() / passed.detach().square().mean()
        found["apart"] = pressure * apart
        found["confusion"] = -pressure * nn.functional.cross_entropy(self.adversary(passed), domains)
        if answers is None:  # decisions have their scale; any other latent's channels are to move, about zero
            spread = latent.var(dim=(0, 1))
            found["scale"] = ((spread - self.spread).square() + latent.mean(dim=(0, 1)).square()).mean()
        if self.leading is not None:
            known = ~crops.conditions.isnan().any(dim=-1)
            missed = (self.leading(seen[known]) - crops.conditions[known]).square().mean()
            found["condition"] = missed / crops.conditions[known].var(dim=0).mean()
        self.optimizer.zero_grad()
        sum(self.weights[name] * loss for name, loss in found.items()).backward()
        self.optimizer.step()
        named = named.detach() > 0
        f1 = 2 * (named & (notes > 0)).sum() / (named.sum() + (notes > 0).sum()).clamp_min(1)
        right = (guess.argmax(-1) == domains).float().mean()
        condition = float(found["condition"].detach()) if self.leading is not None else 0.0
        level_db = 80.0 * float(found["level"].detach().sqrt())
        return float(f1), float(found["onset"].detach()), level_db, condition, float(apart.detach()), float(right)

    def _read(self, heard: Tensor, pressure: float) -> tuple[Tensor, Tensor | None]:
        """The latent, (2 B, F, C), and the answers before a bottleneck."""
        found = self.encoder.hear(heard)
        if self.encoder.bottleneck is not None:
            return self.encoder.bottleneck.plain(found), found
        if self.encoder.config.latent_levels:
            # Rounding from the first step on, almost nothing is learnt.
            found = round_latent(found, self.encoder.config.latent_levels) if pressure else torch.tanh(found)
        return found, None

    def _judged(self, seen: Tensor, answers: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the notes and of an onset, and the level, by the judges or by the encoder itself."""
        if answers is None:
            return self.naming(LOUD * seen), self.beginning(seen)[..., 0], self.loudness(seen)[..., 0]
        return answers[..., :N_PITCHES], answers[..., N_PITCHES], torch.sigmoid(answers[..., -1])


def _binary(logits: Tensor, wanted: Tensor) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits, wanted)
