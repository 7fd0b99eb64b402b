"""What training of an NSynth autoencoder starts from: another model's decoder, and an encoder for it.

A translation network says sounds from a latent too, and a decoder that has learnt to sing in tune
need not learn it twice.  Its conditions, however, come from an encoder that heard a few
instruments in their middle octaves; for others it returns latents a hundred times as large.  So a
new, narrow encoder learns first to lead to the old latent, bounded where the old encoder did not
know what it heard.  An autoencoder of notes whose encoder hears some of them badly starts from
itself in the same way.
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
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.models.nsynth.pretrain_encoder import STEPS, Missed
from wavecore.models.nsynth.train import LEVEL_DB
from wavecore.models.translation.model import TranslationNetwork
from wavecore.nn.encoders import ConstantQEncoder, EncoderConfig, build_encoder
from wavecore.nn.wavenet import WaveNet
from wavecore.training import losses

BOUND = 5.0
"""Robust standard deviations from the median that the old latent's channels are bounded at."""
NARROW = 0.1
"""Of a channel's standard deviation: a robust one below it tells of nothing but the usual value."""
NEW_WEIGHTS = 0.05
"""Standard deviation of those with which a decoder begins to listen to an oscillator."""
SAMPLE = 300
"""Notes that the conditions' spread is measured on."""
CROPS, CROP_FRAMES = 64, 12
"""What the decoders are compared on."""


@dataclass(frozen=True)
class Start:
    """A network to train from, and how it came about.

    Attributes
    ----------
    target : str
        The domain whose decoder it has.
    bits : dict of str to float
        Per sample of training notes, of every domain's decoder, the median over crops (what a
        decoder has never heard may cost hundreds of bits); the lowest was taken.
    missed : Missed
        By the new encoder.
    """

    network: NSynthNetwork
    target: str
    bits: dict[str, float]
    missed: Missed


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
    """Make an autoencoder of notes whose decoder is a translation network's.

    Parameters
    ----------
    source : TranslationNetwork
        With a constant-Q encoder and a decoder per domain; it is left as it is.
    dataset : NotesDataset
        Its training notes are learnt from.
    latent_channels, hop_length : int
        Of the new latent.
    seed : int
        Of the new weights and the crops.
    on_progress : callable, optional
        Called with (steps done, steps in all).

    Raises
    ------
    UsageError
        If the source has another kind of encoder or one decoder for all domains, or the notes
        are at another rate or too short.
    """
    config = _config(source, dataset, latent_channels, hop_length)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = NSynthNetwork(config)
        old = build_encoder(replace(source.config.encoder, hop_length=hop_length)).eval()
        old.load_state_dict(source.encoder.state_dict())
        lessons = pretrain_encoder.spectra_of(dataset, network.encoder, level_db=LEVEL_DB)
        latents = BoundedLatents(
            _reader(old, network.encoder.reach), lessons.spectra[:: max(1, len(lessons.spectra) // SAMPLE)].float()
        )
        missed = pretrain_encoder.teach(
            network, lessons, latents, latents.spread, steps=steps, seed=seed, on_progress=on_progress
        )
        bits = _bits(source, network, _sounds(dataset))
    target = min(bits, key=bits.get)
    network.decoder.load_state_dict(source.decoder_state(target))
    return Start(network.eval(), target, bits, missed)


def with_taught_encoder(
    source: NSynthNetwork,
    dataset: NotesDataset,
    *,
    harmonics: int = 0,
    steps: int = STEPS,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[NSynthNetwork, Missed]:
    """Teach an autoencoder's encoder the notes' pitches and spectra, near what its decoder knows.

    Parameters
    ----------
    source : NSynthNetwork
        With a constant-Q encoder, and without pitch conditioning of either kind; it is left as it is.
    dataset : NotesDataset
        Its training notes are learnt from.
    harmonics : int
        Bands of an oscillator that the decoder is to be told as well, to which it hardly listens
        yet.  The pitch stands beside the latent then, and the encoder is taught timbre alone.
    on_progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    network : NSynthNetwork
        With the same decoder, but for what it is told of the oscillator.

    Raises
    ------
    UsageError
        If the source has another kind of encoder or is told the pitch, ``harmonics`` is out of
        range, or the notes are at another rate or too short.
    """
    config = source.config
    if config.encoder.kind != "cqt":
        raise UsageError(
            f"only a cqt encoder can be taught from spectra; the model has a {config.encoder.kind} encoder"
        )
    if config.pitch_channels or config.harmonics:
        raise UsageError("a model that is told the pitch has no use for an encoder that is taught it")
    if harmonics < 0:
        raise UsageError(f"harmonics must not be negative, not {harmonics}")
    if harmonics and not config.condition_channels:
        raise UsageError("an oscillator can be set beside a model with condition_channels; this one has none")
    _check_rate(dataset, config.decoder.sample_rate)
    source = copy.deepcopy(source).eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _with_oscillator(source, harmonics) if harmonics else copy.deepcopy(source)
        lessons = pretrain_encoder.spectra_of(dataset, network.encoder, level_db=LEVEL_DB)

        def wanted(spectra: Tensor) -> Tensor:
            return source.expand(source.encoder.read(spectra))

        with torch.no_grad():
            spread = wanted(lessons.spectra[:: max(1, len(lessons.spectra) // SAMPLE)].float()).flatten(0, 1).std(dim=0)
        missed = pretrain_encoder.teach(
            network.train(), lessons, wanted, spread, steps=steps, seed=seed, on_progress=on_progress
        )
    return network.eval(), missed


def _with_oscillator(source: NSynthNetwork, harmonics: int) -> NSynthNetwork:
    """The same decoder with further inputs, and the encoder of a latent that ends in the pitch."""
    told = source.config.condition_channels
    decoder = replace(source.config.decoder, latent_channels=told + 2 * harmonics, hop_length=1)
    network = NSynthNetwork(replace(source.config, decoder=decoder, harmonics=harmonics))
    state = network.state_dict()
    for name, tensor in source.state_dict().items():
        missing = state[name].shape[0] - tensor.shape[0] if tensor.ndim else 0
        if missing:
            # A map from the latent or the condition: its new inputs come after the old ones.
            tensor = torch.cat([tensor, NEW_WEIGHTS * torch.randn(missing, *tensor.shape[1:])])
        state[name] = tensor
    network.load_state_dict(state)
    return network


class BoundedLatents:
    """The latents of an encoder, bounded softly around their medians.

    Parameters
    ----------
    read : callable
        From spectra, shape (B, n_bins, F + 4), to latents, shape (B, F, C).
    sample : Tensor, shape (n, n_bins, F + 4), float32 in [0, 1]
        Spectra that medians and spreads are measured on.

    Attributes
    ----------
    middle, spread : Tensor, shape (C,)
        The medians, and the robust standard deviations.
    """

    def __init__(self, read: Callable[[Tensor], Tensor], sample: Tensor):
        self._read = read
        with torch.no_grad():
            channels = torch.cat([read(part) for part in sample.split(pretrain_encoder.AT_ONCE)]).flatten(0, 1)
        self.middle = channels.median(dim=0).values
        spread, usual = (channels - self.middle).abs().median(dim=0).values / 0.6745, channels.std(dim=0)
        # A latent of decisions may be the same in most frames.
        self.spread = torch.where(spread > NARROW * usual, spread, usual.clamp_min(pretrain_encoder.LEAST_SPREAD))

    def __call__(self, spectra: Tensor) -> Tensor:
        """Encode, and bound.

        Parameters
        ----------
        spectra : Tensor, shape (B, n_bins, F + 4), float32 in [0, 1]

        Returns
        -------
        Tensor, shape (B, F, C), float32
        """
        reach = BOUND * self.spread
        return self.middle + reach * torch.tanh((self._read(spectra) - self.middle) / reach)


def _reader(encoder: ConstantQEncoder, reach: int) -> Callable[[Tensor], Tensor]:
    """Let an encoder read crops with `reach` frames on either side: beyond them a note stays as it is."""
    further = max(0, encoder.reach - reach)
    return lambda spectra: encoder.read(nn.functional.pad(spectra, (further, further), mode="replicate"))


def _config(source: TranslationNetwork, dataset: NotesDataset, latent_channels: int, hop_length: int) -> NSynthConfig:
    encoder, decoder = source.config.encoder, source.config.decoder
    if encoder.kind != "cqt":
        raise UsageError(
            f"an autoencoder of notes can start from a translation model with a cqt encoder, not {encoder.kind}"
        )
    if source.config.shared_decoder:
        raise UsageError(
            "an autoencoder of notes can start from a translation model with a decoder per domain, not a shared one"
        )
    _check_rate(dataset, decoder.sample_rate)
    # What an encoder for melodies lets pass and hears around a frame is of no use for timbre.
    free = {
        "bottleneck": "",
        "bottleneck_context": 0,
        "latent_levels": 0,
        "hearing_frames": EncoderConfig.hearing_frames,
    }
    return NSynthConfig(
        replace(encoder, latent_channels=latent_channels, hop_length=hop_length, **free),
        replace(decoder, hop_length=hop_length),
        condition_channels=decoder.latent_channels,
    )


def _check_rate(dataset: NotesDataset, sample_rate: int) -> None:
    if dataset.sample_rate != sample_rate:
        raise UsageError(f"the notes are at {dataset.sample_rate} Hz, the model at {sample_rate} Hz")


def _sounds(dataset: NotesDataset) -> Tensor:
    """Training notes for the comparison, spread evenly over the instruments: (n, T)."""
    codes = dataset.codes("train")
    rows = np.unique(np.linspace(0, len(codes) - 1, min(CROPS, len(codes))).astype(int))
    return torch.from_numpy(np.stack([note_level.level(mulaw.decode(np.array(codes[row])), LEVEL_DB) for row in rows]))


@torch.inference_mode()
def _bits(source: TranslationNetwork, network: NSynthNetwork, sounds: Tensor) -> dict[str, float]:
    """Bits per sample of every domain's decoder, given the new latent."""
    hop = network.config.decoder.hop_length
    n_frames = min(CROP_FRAMES, sounds.shape[1] // hop)
    condition = network.condition(network.encoder.encode(sounds))[:, :n_frames]
    codes = torch.from_numpy(mulaw.encode(sounds[:, : n_frames * hop].numpy())).long()
    found = {}
    for target in source.config.targets:
        decoder = WaveNet(network.config.decoder).eval()
        decoder.load_state_dict(source.decoder_state(target))
        logits = decoder(codes, condition)
        crops = [
            losses.bits(losses.reconstruction(*crop)) for crop in zip(logits.split(1), codes.split(1), strict=True)
        ]
        found[target] = float(np.median(crops))
    return found
