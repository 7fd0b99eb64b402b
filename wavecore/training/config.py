"""Settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass, fields

from wavecore.errors import UsageError

PRECISIONS = ("auto", "float32", "bfloat16")
OPTIMIZERS = ("adam", "muon")


@dataclass(frozen=True)
class TrainingConfig:
    """What a run does; the data and the network come beside it.

    Attributes
    ----------
    steps : int
        Autoencoder updates in all.
    batch_size, crop_frames : int
        Crops per step and latent frames per crop.
    targets_per_step : int
        Domains whose decoders learn in a step, each from an equal share of the crops, where every
        domain has its own.  So many processes can hold the decoders of their own domains alone.
    optimizer : {"adam", "muon"}
        Of encoder and decoders.
    learning_rate : float
        The optimiser's, after the warm-up.
    decoder_rate : float
        The decoder's learning rate relative to ``learning_rate``, 0 to 1, where an autoencoder of
        notes is trained.  A decoder that was trained before forgets at the full rate what it knows.
    warmup_steps : int
        Steps over which the rate rises from zero.
    decay_fraction : float
        The last part of the run, over which the rate falls linearly to zero.
    classifier_learning_rate : float
        Adam's, for the domain classifier.
    confusion_weight : float
        Lambda: how much the encoder gains from a wrong classifier.
    confusion_warmup_steps : int
        Steps over which lambda rises from zero.  An encoder that is pushed before
        the decoders listen to it finds the easy way out: a constant latent.
    paired_probability : float
        Share of crops whose input is the same passage in another domain.  0 is
        the paper's unsupervised training; more needs paired data.
    confusion_crops : int
        Further crops per step that only encoder and classifier see.  They cost a
        few percent, and a classifier that learns from more can be confused better.
    transpose_semitones : float
        Input and target of a crop are transposed together by up to this much.
        Rendered scores are in tune; who whistles is not.
    glide_probability, glide_semitones : float
        Share of crops over which that transposition changes, and by how much at most.
        Rendered notes stand still; who whistles slides.
    augment_probability : float
        Share of crops in which a segment of the input is detuned.
    noise_probability : float
        Share of crops whose input gets noise and another level.
    history_noise_probability : float
        Share of crops in which the decoder's own past is blurred.  With a clean
        past it hardly needs the latent, and drifts away when it hears itself.
    history_noise_db : float
        Highest level of that noise, -60 to 0 dB of full scale.
    history_tone_probability : float
        Share of crops in which a foreign tone, as loud as that noise at most, sounds in the decoder's
        past: what it hears must not outweigh what it is told.
    history_offset_probability : float
        Share of crops in which the decoder's past does not lie around zero.
    history_dropout_probability : float
        Share of crops in which a stretch of the decoder's past is silent, so that
        it learns to begin whenever the latent says that there is a sound.
    rest_probability : float
        Share of crops with a rest in it, in half of which the decoder's past goes on (see ``rests``).
    skip_samples : int
        Samples at a crop's start that the loss leaves out.  They lack a past; but a
        decoder that never had to begin from nothing stays silent when it should.
    clip_norm : float
        Largest norm of the gradient.
    ema_decay : float
        Of the weight average that is validated and kept.
    freeze_encoder : bool
        Train the decoders alone.
    learn_following : bool
        With a frozen encoder: whether what its bottleneck makes of the frames around still learns, together with the decoders.
    validate_every, checkpoint_every : int
        Steps.
    validation_crops : int
        Crops per domain and validation.
    transfer_passages : int
        Held-out passages per target that are translated at every validation; if there are any, the model that
        follows their melodies best is kept, and not the one of the fewest bits.
    latent_noise : float
        Of a translation network's latent while it trains, relative to the latent's root mean square: what
        decoders cannot rely on, an encoder need not tell.
    lesson_steps : int
        Of the lessons, where an encoder is taught the notes first.
    seed : int
        Of everything drawn.
    precision : {"auto", "float32", "bfloat16"}
        Of the matrix products; see ``precision.autocast``.
    """

    steps: int = 20_000
    batch_size: int = 4
    crop_frames: int = 6
    targets_per_step: int = 1
    optimizer: str = "adam"
    learning_rate: float = 1.5e-3
    decoder_rate: float = 1.0
    warmup_steps: int = 200
    decay_fraction: float = 0.3
    classifier_learning_rate: float = 1e-3
    confusion_weight: float = 0.01
    confusion_warmup_steps: int = 2000
    paired_probability: float = 0.0
    confusion_crops: int = 32
    transpose_semitones: float = 0.5
    glide_probability: float = 0.3
    glide_semitones: float = 3.0
    augment_probability: float = 0.5
    noise_probability: float = 0.3
    history_noise_probability: float = 0.7
    history_noise_db: float = -12.0
    history_tone_probability: float = 0.0
    history_offset_probability: float = 0.0
    history_dropout_probability: float = 0.4
    rest_probability: float = 0.0
    skip_samples: int = 0
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    freeze_encoder: bool = False
    learn_following: bool = False
    validate_every: int = 500
    checkpoint_every: int = 100
    validation_crops: int = 8
    transfer_passages: int = 0
    latent_noise: float = 0.0
    lesson_steps: int = 4000
    seed: int = 0
    precision: str = "auto"

    def __post_init__(self):
        for name in (
            "steps",
            "batch_size",
            "crop_frames",
            "targets_per_step",
            "validate_every",
            "checkpoint_every",
            "validation_crops",
        ):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.batch_size % self.targets_per_step:
            raise UsageError(
                f"batch_size is {self.batch_size}, no multiple of targets_per_step, {self.targets_per_step}"
            )
        for name in (
            "paired_probability",
            "augment_probability",
            "noise_probability",
            "history_noise_probability",
            "history_tone_probability",
            "history_dropout_probability",
            "glide_probability",
            "decay_fraction",
            "ema_decay",
            "decoder_rate",
            "rest_probability",
            "history_offset_probability",
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} must lie between 0 and 1, not {getattr(self, name)}")
        for name in ("learning_rate", "classifier_learning_rate", "clip_norm"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} must be positive, not {getattr(self, name)}")
        for name in (
            "confusion_weight",
            "confusion_warmup_steps",
            "confusion_crops",
            "transpose_semitones",
            "glide_semitones",
            "warmup_steps",
            "skip_samples",
            "transfer_passages",
            "latent_noise",
            "lesson_steps",
            "seed",
        ):
            if not getattr(self, name) >= 0:
                raise UsageError(f"{name} must not be negative, not {getattr(self, name)}")
        if self.transpose_semitones + self.glide_semitones > 6:
            raise UsageError(
                "transpose_semitones and glide_semitones must be 6 in sum at most, not "
                f"{self.transpose_semitones} + {self.glide_semitones}: timbres would change"
            )
        if not -60 <= self.history_noise_db <= 0:
            raise UsageError(f"history_noise_db must lie between -60 and 0, not {self.history_noise_db}")
        for name, choices in (("precision", PRECISIONS), ("optimizer", OPTIMIZERS)):
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}")

    def rate(self, step: int) -> float:
        """Return the learning rate of a step: warm-up, plateau, linear fall to zero.

        Parameters
        ----------
        step : int
            0 to ``steps`` - 1.
        """
        rise = min(1.0, (step + 1) / max(1, self.warmup_steps))
        decay_steps = self.decay_fraction * self.steps
        fall = min(1.0, (self.steps - step) / decay_steps) if decay_steps else 1.0
        return self.learning_rate * rise * fall

    def confusion(self, step: int) -> float:
        """Return lambda at a step."""
        return self.confusion_weight * min(1.0, (step + 1) / max(1, self.confusion_warmup_steps))


def with_settings(config: TrainingConfig, settings: list[str]) -> TrainingConfig:
    """Apply ``key=value`` texts to a configuration.

    Parameters
    ----------
    settings : list of str
        As given to ``--set``; values take the type of the field.

    Raises
    ------
    UsageError
        If a key is unknown or a value has another type.
    """
    known = {field.name: type(getattr(config, field.name)) for field in fields(config)}
    values = {name: getattr(config, name) for name in known}
    for setting in settings:
        key, _, text = setting.partition("=")
        if key not in known:
            raise UsageError(f"there is no setting {key!r}; choose from {', '.join(known)}")
        try:
            values[key] = _parse(text, known[key])
        except ValueError as error:
            raise UsageError(f"{key} takes a {known[key].__name__}, not {text!r}") from error
    return TrainingConfig(**values)


def _parse(text: str, kind: type):
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    return kind(text)
