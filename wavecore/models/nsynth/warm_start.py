"""The network from which a training starts: another model's decoder, and a pretrained encoder for it.

A translation model's decoder can generate tones in tune.  Its encoder, however, was trained on a few instruments in
their middle octaves and returns latents a hundred times as large for others.  So a new encoder of few channels is first
trained to lead to the old latent, bounded where it leaves its usual range.  An autoencoder of notes whose encoder is
poor starts from itself in the same way.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from wavecore.audio import mulaw, note_level
from wavecore.datasets.notes.reader import NotesDataset
from wavecore.errors import UsageError
from wavecore.models.nsynth import pretrain_encoder
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.models.nsynth.data import LEVEL_DB
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.models.nsynth.pretrain_encoder import STEPS, PretrainingErrors
from wavecore.models.translation.model import TranslationNetwork
from wavecore.nn.config import EncoderConfig
from wavecore.nn.encoders import ConstantQEncoder, build_encoder
from wavecore.nn.wavenet import WaveNet
from wavecore.training import losses

BOUND = 5.0
"""Robust standard deviations from the median within which the old latent's channels are kept."""
NARROW = 0.1
"""A robust deviation below this part of the standard deviation is that of a channel that is mostly constant."""
NEW_WEIGHT_STD = 0.05
"""Standard deviation of a decoder's first weights from an oscillator."""
SAMPLE = 300
"""Notes on which the spread of the conditionings is measured."""
CROPS, CROP_FRAMES = 64, 12
"""Crops on which the decoders are compared."""


@dataclass(frozen=True)
class Start:
    """A network to train from, the domain (``target``) whose decoder it has, and the errors of its new encoder.

    ``bits`` holds every domain's bits per sample of training notes, the median over crops, since an unusual crop may
    cost hundreds of bits; the decoder with the fewest was taken.
    """

    network: NSynthNetwork
    target: str
    bits: dict[str, float]
    errors: PretrainingErrors


def from_translation(
    source: TranslationNetwork,
    dataset: NotesDataset,
    *,
    latent_channels: int = 16,
    hop_length: int = 512,
    steps: int = STEPS,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Start:
    """Build an autoencoder of notes with the decoder of a translation network that fits the notes best.

    Parameters
    ----------
    source : TranslationNetwork
        With a constant-Q encoder and a decoder per domain; not changed.
    Raises
    ------
    UsageError
        If the source has another kind of encoder or one decoder for all domains, or the notes are at another rate or
        too short.
    """
    config = _config(source, dataset, latent_channels, hop_length)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = NSynthNetwork(config)
        old = build_encoder(replace(source.config.encoder, hop_length=hop_length)).eval()
        old.load_state_dict(source.encoder.state_dict())
        data = pretrain_encoder.spectra_of(dataset, network.encoder, level_db=LEVEL_DB)
        latents = BoundedLatents(_reader(old, network.encoder.reach), _sample(data.spectra))
        errors = pretrain_encoder.pretrain(
            network, data, latents, latents.spread, steps=steps, seed=seed, on_progress=on_progress
        )
        bits = _bits(source, network, dataset)
    target = min(bits, key=bits.get)
    network.decoder.load_state_dict(source.decoder_state(target))
    return Start(network.eval(), target, bits, errors)


def with_pretrained_encoder(
    source: NSynthNetwork,
    dataset: NotesDataset,
    *,
    harmonics: int = 0,
    steps: int = STEPS,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[NSynthNetwork, PretrainingErrors]:
    """Pretrain a copy of an autoencoder's encoder on pitches and spectra, near the conditionings its decoder knows.

    Parameters
    ----------
    source : NSynthNetwork
        With a constant-Q encoder, and without pitch conditioning of either kind; not changed.
    harmonics : int
        Bands of an oscillator to add to the decoder's inputs, with small weights.  The pitch stands beside the latent
        then, and the encoder is trained on timbre alone.
    Raises
    ------
    UsageError
        If the source has another kind of encoder or is conditioned on the pitch, ``harmonics`` is out of range, or the
        notes are at another rate or too short.
    """
    config = source.config
    if config.encoder.kind != "cqt":
        raise UsageError(f"a cqt encoder can be pretrained on spectra; the model has a {config.encoder.kind} encoder")
    if config.pitch_channels or config.harmonics:
        raise UsageError("the encoder of a model that is conditioned on the pitch cannot be pretrained on pitches")
    if harmonics < 0:
        raise UsageError(f"harmonics must not be negative, not {harmonics}")
    if harmonics and not config.condition_channels:
        raise UsageError("an oscillator can be added to a model with condition_channels; this one has none")
    _check_rate(dataset, config.decoder.sample_rate)
    source = copy.deepcopy(source).eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _with_oscillator(source, harmonics) if harmonics else copy.deepcopy(source)
        data = pretrain_encoder.spectra_of(dataset, network.encoder, level_db=LEVEL_DB)

        def target(spectra: Tensor) -> Tensor:
            return source.expand(source.encoder.encode_spectrum(spectra))

        with torch.no_grad():
            spread = target(_sample(data.spectra)).flatten(0, 1).std(dim=0)
        errors = pretrain_encoder.pretrain(
            network.train(), data, target, spread, steps=steps, seed=seed, on_progress=on_progress
        )
    return network.eval(), errors


def _sample(spectra: Tensor) -> Tensor:
    return spectra[:: max(1, len(spectra) // SAMPLE)].float()


def _with_oscillator(source: NSynthNetwork, harmonics: int) -> NSynthNetwork:
    """Return the same decoder with further inputs, and the encoder of a latent that ends in the pitch."""
    channels = source.config.condition_channels
    decoder = replace(source.config.decoder, latent_channels=channels + 2 * harmonics, hop_length=1)
    network = NSynthNetwork(replace(source.config, decoder=decoder, harmonics=harmonics))
    state = network.state_dict()
    for name, tensor in source.state_dict().items():
        missing = state[name].shape[0] - tensor.shape[0] if tensor.ndim else 0
        if missing:
            # In a map from the latent or the conditioning, the new inputs come after the old ones.
            tensor = torch.cat([tensor, NEW_WEIGHT_STD * torch.randn(missing, *tensor.shape[1:])])
        state[name] = tensor
    network.load_state_dict(state)
    return network


class BoundedLatents:
    """The latents of an encoder, bounded softly around their medians.

    Parameters
    ----------
    read : callable
        From spectra, (B, n_bins, F + 4), to latents, (B, F, C).
    sample : Tensor, shape (n, n_bins, F + 4), float32 in [0, 1]
        Spectra on which medians and robust standard deviations (``middle`` and ``spread``, (C,)) are measured.
    """

    def __init__(self, read: Callable[[Tensor], Tensor], sample: Tensor):
        self._read = read
        with torch.no_grad():
            channels = torch.cat([read(part) for part in sample.split(pretrain_encoder.ROWS)]).flatten(0, 1)
        self.middle = channels.median(dim=0).values
        robust, std = (channels - self.middle).abs().median(dim=0).values / 0.6745, channels.std(dim=0)
        # A latent of decisions may be the same in most frames.
        self.spread = torch.where(robust > NARROW * std, robust, std.clamp_min(pretrain_encoder.MIN_SPREAD))

    def __call__(self, spectra: Tensor) -> Tensor:
        """Return the bounded latents, (B, F, C), of spectra, (B, n_bins, F + 4) in [0, 1]."""
        reach = BOUND * self.spread
        return self.middle + reach * torch.tanh((self._read(spectra) - self.middle) / reach)


def _reader(encoder: ConstantQEncoder, reach: int) -> Callable[[Tensor], Tensor]:
    """Return an encoder's function of crops with ``reach`` frames on either side, continued by their last frames."""
    further = max(0, encoder.reach - reach)
    return lambda spectra: encoder.encode_spectrum(nn.functional.pad(spectra, (further, further), mode="replicate"))


def _config(source: TranslationNetwork, dataset: NotesDataset, latent_channels: int, hop_length: int) -> NSynthConfig:
    encoder, decoder = source.config.encoder, source.config.decoder
    if encoder.kind != "cqt":
        raise UsageError(f"--init takes a translation model with a cqt encoder, not {encoder.kind}")
    if source.config.shared_decoder:
        raise UsageError("--init takes a translation model with a decoder per domain, not a shared one")
    _check_rate(dataset, decoder.sample_rate)
    # The bottleneck and the wide context of an encoder for melodies are of no use for timbre.
    free = replace(encoder, bottleneck="", bottleneck_context=0, hearing_frames=EncoderConfig.hearing_frames)
    return NSynthConfig(
        replace(free, latent_channels=latent_channels, hop_length=hop_length, latent_levels=0),
        replace(decoder, hop_length=hop_length),
        condition_channels=decoder.latent_channels,
    )


def _check_rate(dataset: NotesDataset, sample_rate: int) -> None:
    if dataset.sample_rate != sample_rate:
        raise UsageError(f"the notes are at {dataset.sample_rate} Hz, the model at {sample_rate} Hz")


@torch.inference_mode()
def _bits(source: TranslationNetwork, network: NSynthNetwork, dataset: NotesDataset) -> dict[str, float]:
    """Return the bits per sample of every domain's decoder on training notes, given the new latent."""
    rows = np.unique(np.linspace(0, len(dataset.codes("train")) - 1, CROPS).astype(int))
    notes = [mulaw.decode(np.array(dataset.codes("train")[row])) for row in rows]
    sounds = torch.from_numpy(np.stack([note_level.level(note, LEVEL_DB) for note in notes]))
    hop = network.config.decoder.hop_length
    n_frames = min(CROP_FRAMES, sounds.shape[1] // hop)
    condition = network.condition(network.encoder.encode(sounds))[:, :n_frames]
    codes = torch.from_numpy(mulaw.encode(sounds[:, : n_frames * hop].numpy())).long()
    bits = {}
    for target in source.config.targets:
        decoder = WaveNet(network.config.decoder).eval()
        decoder.load_state_dict(source.decoder_state(target))
        crops = zip(decoder(codes, condition).split(1), codes.split(1), strict=True)
        bits[target] = float(np.median([losses.bits(losses.reconstruction(*crop)) for crop in crops]))
    return bits
