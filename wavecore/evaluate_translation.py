"""How well a translation model translates: held-out tunes whose true rendering in every domain is known.

A tune comes in as one domain plays it, a whistle for example, and is judged beside the same tune as the target plays it: is
it the same melody, is it the target's timbre, and how much nearer to the truth is it than what came in?
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from wavecore.audio import files, mulaw
from wavecore.audio.pitch import PitchTrack, track_f0
from wavecore.datasets.domains import DomainsDataset
from wavecore.errors import InputError, UsageError
from wavecore.metrics.contour import jaccard_distance, piano_roll, pitch_correlation, warped_pitch_correlation
from wavecore.metrics.domain_ear import DomainEar
from wavecore.metrics.mel import mel_distance
from wavecore.metrics.pitch import raw_chroma_accuracy, raw_pitch_accuracy
from wavecore.metrics.probe import probe_accuracy
from wavecore.models.checkpoint import LoadedModel
from wavecore.training.batches import BatchSource
from wavecore.training.config import TrainingConfig
from wavecore.training.validation import validate
from wavecore.translate import translate_file

EAR_CLIPS = 60
"""Training clips of every domain that the listener is fitted to, at most."""
NOISE = "(noise)"
STEEPEST_TILT = 1.0
"""Of noise: its magnitudes fall with up to this power of the frequency."""
LATENTS_LEARNT, LATENTS_TESTED, LATENT_FRAMES = 300, 100, 16
"""Of every domain, for the probe."""
INSTEAD = ("truth", "source", "silence", "noise")
"""What may be judged in the model's place, to see that the measures measure."""


@dataclass(frozen=True)
class Clip:
    """A held-out tune.

    Attributes
    ----------
    name : str
    source : ndarray, shape (T,), float32
        As it comes in.
    truth : dict of str to ndarray, shape (T,), float32
        As each target plays it.
    """

    name: str
    source: np.ndarray
    truth: dict[str, np.ndarray]


@dataclass(frozen=True)
class ClipScores:
    """How one clip came out.

    Attributes
    ----------
    raw_pitch_accuracy : float
        Share of the true rendering's voiced frames whose pitch is right within 50 cents.
    raw_chroma_accuracy : float
        Of the input's, octaves folded.
    pitch_ncc, pitch_ncc_dtw : float
        Correlation with the input's contour, before and after warping time.
    pitch_jaccard : float
        Distance of the notes that sound from those of the true rendering; 0 is none.
    mel_distance, source_mel_distance : float
        From the true rendering to what came out, and to what went in, dB.
    """

    raw_pitch_accuracy: float
    raw_chroma_accuracy: float
    pitch_ncc: float
    pitch_ncc_dtw: float
    pitch_jaccard: float
    mel_distance: float
    source_mel_distance: float


def choose(
    dataset: DomainsDataset, source: str, targets: Sequence[str], *, split: str, n_clips: int, seconds: float
) -> list[Clip]:
    """Take the beginnings of different tunes.

    Parameters
    ----------
    dataset : DomainsDataset
        Paired: the same tunes in every domain.
    source : str
        The domain that comes in.
    targets : sequence of str
    split : {"train", "valid", "test"}
    n_clips : int
        At most.
    seconds : float
        Of a clip, at most.

    Returns
    -------
    list of Clip
        One for each tune.

    Raises
    ------
    UsageError
        If the data are not paired or lack a domain.
    InputError
        If the split holds no such tune.
    """
    if not dataset.paired:
        raise UsageError(f"{dataset.path} does not hold the same tunes in every domain, so that no true answer is known")
    unknown = [name for name in (source, *targets) if name not in dataset.domains]
    if unknown:
        raise UsageError(f"the data set has no domain {', '.join(unknown)}; it has {', '.join(dataset.domains)}")
    length, found = int(seconds * dataset.sample_rate), {}
    for piece in dataset.pieces(split, domain=source):
        if piece.tune not in found and all(target in piece.domains for target in targets):
            sounds = {name: mulaw.decode(np.array(dataset.codes(piece, name)[:length])) for name in {source, *targets}}
            found[piece.tune] = Clip(piece.id, sounds[source], {name: sounds[name] for name in targets})
        if len(found) == n_clips:
            break
    if not found:
        raise InputError(f"the split {split!r} of {dataset.path} holds no tune in {source} and {', '.join(targets)}")
    return list(found.values())


def fit_ear(dataset: DomainsDataset, *, seconds: float) -> DomainEar:
    """Fit a listener to the true renderings of training tunes, and to noise, which is nobody's.

    Parameters
    ----------
    dataset : DomainsDataset
    seconds : float
        Of a clip, at most.

    Returns
    -------
    DomainEar
        Its last domain, ``NOISE``, is none: without it noise would have to be somebody's.
    """
    length = int(seconds * dataset.sample_rate)
    sounds = {}
    for domain in dataset.domains:
        pieces = dataset.pieces("train", domain=domain)
        rows = np.unique(np.linspace(0, len(pieces) - 1, min(len(pieces), EAR_CLIPS)).astype(int))
        sounds[domain] = [mulaw.decode(np.array(dataset.codes(pieces[row], domain)[:length])) for row in rows]
    rng = np.random.default_rng(0)
    sounds[NOISE] = [_coloured_noise(rng, length) for _ in range(EAR_CLIPS)]
    return DomainEar(sounds, sample_rate=dataset.sample_rate)


def translate(
    model: LoadedModel,
    clips: Sequence[Clip],
    targets: Sequence[str],
    *,
    seed: int,
    temperature: float = 1.0,
    backend: str = "auto",
    device: str = "auto",
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, list[np.ndarray]]:
    """Translate clips to every target, through files, as a user does.

    Parameters
    ----------
    model : LoadedModel
    clips : sequence of Clip
    targets : sequence of str
    seed : int
    temperature : float
    backend, device : str
    on_progress : callable, optional
        Called with (clips done, clips in all).

    Returns
    -------
    dict of str to list of ndarray, shape (T,), float32
        By target, in the order of the clips.
    """
    rate = model.network.config.decoder.sample_rate
    found: dict[str, list[np.ndarray]] = {target: [] for target in targets}
    with tempfile.TemporaryDirectory() as folder:
        for number, clip in enumerate(clips):
            source = Path(folder) / f"{number}.wav"
            files.write(source, clip.source, rate)
            outputs = {target: source.with_name(f"{number}__{target}.wav") for target in targets}
            translate_file(model, source, outputs, seed=seed, temperature=temperature, backend=backend, device=device)
            for target, path in outputs.items():
                found[target].append(files.read(path)[0])
            if on_progress is not None:
                on_progress(number + 1, len(clips))
    return found


def instead(what: str, clips: Sequence[Clip], targets: Sequence[str], *, seed: int = 0) -> dict[str, list[np.ndarray]]:
    """Make what is judged in a model's place, to see that the measures measure.

    Parameters
    ----------
    what : str
        One of ``INSTEAD``.
    clips : sequence of Clip
    targets : sequence of str
    seed : int
        Of the noise.

    Returns
    -------
    dict of str to list of ndarray, shape (T,), float32
        As ``translate`` returns it.

    Raises
    ------
    UsageError
        If `what` is unknown.
    """
    if what not in INSTEAD:
        raise UsageError(f"there is no {what!r} to be judged instead; choose one of {', '.join(INSTEAD)}")
    rng = np.random.default_rng(seed)

    def make(clip: Clip, target: str) -> np.ndarray:
        if what == "truth":
            return clip.truth[target]
        if what == "source":
            return clip.source
        return (0.1 if what == "noise" else 0.0) * rng.standard_normal(len(clip.source)).astype(np.float32)

    return {target: [make(clip, target) for clip in clips] for target in targets}


def judge(clips: Sequence[Clip], target: str, said: Sequence[np.ndarray], *, sample_rate: int) -> list[ClipScores]:
    """Judge what came out beside what went in and what should have come out.

    Parameters
    ----------
    clips : sequence of Clip
    target : str
    said : sequence of ndarray, shape (T,), float32
        As long as the clips.
    sample_rate : int
        Hz.

    Returns
    -------
    list of ClipScores
    """
    scores = []
    for clip, sound in zip(clips, said, strict=True):
        truth = clip.truth[target]
        source_track, truth_track, said_track = (track_f0(x, sample_rate=sample_rate) for x in (clip.source, truth, sound))
        scores.append(
            ClipScores(
                raw_pitch_accuracy=raw_pitch_accuracy(truth_track, said_track),
                raw_chroma_accuracy=raw_chroma_accuracy(source_track, said_track),
                pitch_ncc=pitch_correlation(source_track, said_track),
                pitch_ncc_dtw=warped_pitch_correlation(source_track, said_track),
                pitch_jaccard=_notes_apart(truth_track, said_track),
                mel_distance=mel_distance(truth, sound, sample_rate=sample_rate),
                source_mel_distance=mel_distance(truth, clip.source, sample_rate=sample_rate),
            )
        )
    return scores


def summarise(source: str, target: str, scores: Sequence[ClipScores], said: Sequence[np.ndarray], ear: DomainEar) -> dict:
    """Sum one pair of domains up.

    Parameters
    ----------
    source, target : str
    scores : sequence of ClipScores
    said : sequence of ndarray, shape (T,), float32
    ear : DomainEar

    Returns
    -------
    dict
        ``from``, ``to``, the medians of the clips' scores, ``target_classifier_accuracy``, and ``clips``: all scores.
    """
    medians = {name: float(np.median([getattr(score, name) for score in scores])) for name in asdict(scores[0])}
    accuracy = ear.accuracy(said, target)
    return {"from": source, "to": target} | medians | {"target_classifier_accuracy": accuracy, "clips": [asdict(score) for score in scores]}


@torch.inference_mode()
def latents(model: LoadedModel, source: BatchSource, split: str, n_crops: int) -> tuple[np.ndarray, np.ndarray]:
    """Encode crops of every domain.

    Parameters
    ----------
    model : LoadedModel
    source : BatchSource
    split : str
    n_crops : int
        Of each domain.

    Returns
    -------
    latents : ndarray, shape (n, F, C), float32
    domains : ndarray, shape (n,), int
    """
    found, labels = [], []
    for index, domain in enumerate(model.network.config.domains):
        audio, octave_shift = source.validation_inputs(domain, n_crops=n_crops, split=split)
        found.append(model.network.encoder(audio, octave_shift=octave_shift).numpy())
        labels += [index] * n_crops
    return np.concatenate(found), np.array(labels)


def probe(model: LoadedModel, dataset: DomainsDataset, split: str) -> float:
    """Measure what a classifier that the encoder never met reads of the domain in its latent.

    Parameters
    ----------
    model : LoadedModel
    dataset : DomainsDataset
    split : str
        That it is tested on; it learns from training sounds.

    Returns
    -------
    float
        Accuracy; one over the number of domains is chance.
    """
    source = BatchSource(dataset, model.network.config, TrainingConfig(crop_frames=LATENT_FRAMES), model.network.encoder.context_frames)
    learnt, tested = latents(model, source, "train", LATENTS_LEARNT), latents(model, source, split, LATENTS_TESTED)
    return probe_accuracy(*learnt, *tested)


def reconstruction_bits(model: LoadedModel, dataset: DomainsDataset, split: str, *, n_crops: int = 16) -> float:
    """Measure how well the decoders say held-out sounds of their own domains.

    Parameters
    ----------
    model : LoadedModel
    dataset : DomainsDataset
    split : str
    n_crops : int
        Of each domain.

    Returns
    -------
    float
        Bits per sample, the mean over the targets.
    """
    network = model.network
    training = TrainingConfig(crop_frames=LATENT_FRAMES, skip_samples=network.config.decoder.hop_length)
    source = BatchSource(dataset, network.config, training, network.encoder.context_frames)
    found: Mapping[str, float] = validate(network, source, n_crops=n_crops, split=split)
    return found["valid/bits"]


def _coloured_noise(rng: np.random.Generator, length: int) -> np.ndarray:
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1.0) ** rng.uniform(0, STEEPEST_TILT)
    x = np.fft.irfft(spectrum, length)
    return (0.1 * x / x.std()).astype(np.float32)


def _notes_apart(truth: PitchTrack, said: PitchTrack) -> float:
    rolls = [piano_roll(track) for track in (truth, said)]
    n_frames = min(map(len, rolls))
    return jaccard_distance(*(roll[:n_frames] for roll in rolls))
