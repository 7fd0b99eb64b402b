"""How well a translation model translates: held-out tunes whose true rendering in every domain is known.

A tune comes in as one domain plays it, a whistle for example, and is judged beside the same tune as the target plays it: is
it the same melody, is it the target's timbre, and how much nearer to the truth is it than what came in?
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from wavecore.audio import files, mulaw
from wavecore.audio.pitch import track_f0
from wavecore.checkpoint import LoadedModel
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.metrics.contour import jaccard_distance, piano_roll, pitch_correlation, warped_pitch_correlation
from wavecore.metrics.mel import mel_distance
from wavecore.metrics.multipitch import sounding_notes
from wavecore.metrics.pitch import raw_chroma_accuracy, raw_pitch_accuracy
from wavecore.metrics.probe import probe_accuracy
from wavecore.metrics.silence import level_in_rests
from wavecore.models.translation.config import TranslationTrainingConfig
from wavecore.models.translation.data import BatchSource
from wavecore.models.translation.domain_classifier import DomainEar
from wavecore.models.translation.translate import translate_file
from wavecore.models.translation.tune_clips import Clip
from wavecore.training import losses

EAR_CLIPS = 60
"""Training clips of every domain that the listener is fitted to, at most."""
NOISE = "(noise)"
STEEPEST_TILT = 1.0
"""Of noise: its magnitudes fall with up to this power of the frequency."""
LATENTS_LEARNT, LATENTS_TESTED = 300, 100
"""Of every domain, for the probe."""
CROP_S, SKIPPED_S = 0.8, 0.05
"""Length of the crops whose latents and bits are measured, and of their beginnings that do not count, whatever the frame rate."""


@dataclass(frozen=True)
class ClipScores:
    """How one clip came out; of several voices there is no one contour, and what is a contour's is None.

    Attributes
    ----------
    raw_pitch_accuracy : float or None
        Share of the true rendering's voiced frames whose pitch is right within 50 cents.
    truth_chroma_accuracy : float or None
        The same, octaves folded.
    raw_chroma_accuracy : float or None
        Of the input's voiced frames, octaves folded: the melody as it was played, which the true rendering
        does not follow where who plays is out of tune or glides, as whistles do.
    pitch_ncc, pitch_ncc_dtw : float or None
        Correlation with the input's contour, before and after warping time.
    pitch_jaccard : float
        Distance of the notes that sound from those of the true rendering; 0 is none.
    mel_distance, source_mel_distance : float
        From the true rendering to what came out, and to what went in, dB.
    rest_level_db : float or None
        Level of what came out where the true rendering rests, dB of full scale; None where it never does.
    """

    raw_pitch_accuracy: float | None
    truth_chroma_accuracy: float | None
    raw_chroma_accuracy: float | None
    pitch_ncc: float | None
    pitch_ncc_dtw: float | None
    pitch_jaccard: float
    mel_distance: float
    source_mel_distance: float
    rest_level_db: float | None


def fit_ear(dataset: DomainsDataset, *, seconds: float) -> DomainEar:
    """Fit a listener to the true renderings of training tunes, and to noise, which is nobody's.

    Parameters
    ----------
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


def judge(clips: Sequence[Clip], target: str, said: Sequence[np.ndarray], *, sample_rate: int) -> list[ClipScores]:
    """Judge what came out beside what went in and what should have come out.

    Parameters
    ----------
    said : sequence of ndarray, shape (T,), float32
        As long as the clips.
    sample_rate : int
        Hz.
    """
    scores = []
    for clip, sound in zip(clips, said, strict=True):
        truth = clip.truth[target]
        distances = {
            "mel_distance": mel_distance(truth, sound, sample_rate=sample_rate),
            "source_mel_distance": mel_distance(truth, clip.source, sample_rate=sample_rate),
            "rest_level_db": level_in_rests(sound, truth, sample_rate=sample_rate),
        }
        judge_melody = _judge_notes if clip.several else _judge_contour
        scores.append(ClipScores(**judge_melody(clip.source, truth, sound, sample_rate), **distances))
    return scores


def _judge_contour(source: np.ndarray, truth: np.ndarray, said: np.ndarray, sample_rate: int) -> dict[str, float]:
    source_track, truth_track, said_track = (track_f0(x, sample_rate=sample_rate) for x in (source, truth, said))
    rolls = [piano_roll(track) for track in (truth_track, said_track)]
    return {
        "raw_pitch_accuracy": raw_pitch_accuracy(truth_track, said_track),
        "truth_chroma_accuracy": raw_chroma_accuracy(truth_track, said_track),
        "raw_chroma_accuracy": raw_chroma_accuracy(source_track, said_track),
        "pitch_ncc": pitch_correlation(source_track, said_track),
        "pitch_ncc_dtw": warped_pitch_correlation(source_track, said_track),
        "pitch_jaccard": _apart(rolls),
    }


def _judge_notes(source: np.ndarray, truth: np.ndarray, said: np.ndarray, sample_rate: int) -> dict[str, float | None]:
    contour = ("raw_pitch_accuracy", "truth_chroma_accuracy", "raw_chroma_accuracy", "pitch_ncc", "pitch_ncc_dtw")
    rolls = [sounding_notes(x, sample_rate=sample_rate) for x in (truth, said)]
    return dict.fromkeys(contour) | {"pitch_jaccard": _apart(rolls)}


def summarise(
    source: str, target: str, scores: Sequence[ClipScores], said: Sequence[np.ndarray], ear: DomainEar
) -> dict:
    """Sum one pair of domains up.

    Parameters
    ----------
    said : sequence of ndarray, shape (T,), float32

    Returns
    -------
    dict
        ``from``, ``to``, the medians of the clips' scores, ``target_classifier_accuracy``, and ``clips``: all scores.
    """
    columns = {name: [getattr(score, name) for score in scores] for name in asdict(scores[0])}
    measured = {name: [value for value in values if value is not None] for name, values in columns.items()}
    medians = {name: float(np.median(values)) if values else None for name, values in measured.items()}
    accuracy = ear.accuracy(said, target)
    return (
        {"from": source, "to": target}
        | medians
        | {"target_classifier_accuracy": accuracy, "clips": [asdict(score) for score in scores]}
    )


@torch.inference_mode()
def latents(model: LoadedModel, source: BatchSource, split: str, n_crops: int) -> tuple[np.ndarray, np.ndarray]:
    """Encode crops of every domain.

    Parameters
    ----------
    n_crops : int
        Of each domain.

    Returns
    -------
    latents : ndarray, shape (n, F, C), float32
    domains : ndarray, shape (n,), int
    """
    found, labels = [], []
    for index, domain in enumerate(source.network.domains):
        audio, octave_shift = source.validation_inputs(domain, n_crops=n_crops, split=split)
        found.append(model.network.encoder(audio, octave_shift=octave_shift).numpy())
        labels += [index] * n_crops
    return np.concatenate(found), np.array(labels)


def measured_domains(model: LoadedModel, dataset: DomainsDataset) -> tuple[str, ...]:
    """Say which of a model's domains the data have.

    Returns
    -------
    tuple of str
        In the model's order.
    """
    return tuple(name for name in model.network.config.domains if name in dataset.domains)


def probe(model: LoadedModel, dataset: DomainsDataset, split: str) -> float | None:
    """Measure what a classifier that the encoder never met reads of the domain in its latent.

    Parameters
    ----------
    split : str
        That it is tested on; it learns from training sounds.

    Returns
    -------
    float or None
        Accuracy; one over the number of ``measured_domains`` is chance.  None if there are fewer than two.
    """
    if len(measured_domains(model, dataset)) < 2:
        return None
    source = _source(model, dataset, 0)
    learnt, tested = latents(model, source, "train", LATENTS_LEARNT), latents(model, source, split, LATENTS_TESTED)
    return probe_accuracy(*learnt, *tested)


@torch.inference_mode()
def reconstruction_bits(model: LoadedModel, dataset: DomainsDataset, split: str, *, n_crops: int = 16) -> float:
    """Measure how well the decoders say held-out sounds of their own domains.

    Parameters
    ----------
    n_crops : int
        Of each domain.

    Returns
    -------
    float
        Bits per sample, the mean over the targets that the data have.
    """
    network, found = model.network, []
    skipped = round(SKIPPED_S * network.config.decoder.sample_rate)
    source = _source(model, dataset, skipped)
    for target in source.network.targets:
        batch = source.validation_batch(target, target, n_crops=n_crops, split=split)
        latent = network.encoder(batch.clean, octave_shift=batch.octave_shift)
        logits = network(batch.codes, latent, torch.full_like(batch.targets, network.config.targets.index(target)))
        found.append(losses.bits(losses.reconstruction(logits, batch.codes, skip_samples=skipped)))
    return float(np.mean(found))


def _source(model: LoadedModel, dataset: DomainsDataset, skip_samples: int) -> BatchSource:
    """Held-out crops of the domains that model and data share, as long for every frame rate."""
    config, domains = model.network.config, measured_domains(model, dataset)
    shared = replace(config, domains=domains, targets=tuple(name for name in config.targets if name in domains))
    crop_frames = max(1, round(CROP_S * config.decoder.frame_rate))
    return BatchSource(
        dataset,
        shared,
        TranslationTrainingConfig(crop_frames=crop_frames, skip_samples=skip_samples),
        model.network.encoder.context_frames,
    )


def _coloured_noise(rng: np.random.Generator, length: int) -> np.ndarray:
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1.0) ** rng.uniform(0, STEEPEST_TILT)
    x = np.fft.irfft(spectrum, length)
    return (0.1 * x / x.std()).astype(np.float32)


def _apart(rolls: list[np.ndarray]) -> float:
    n_frames = min(map(len, rolls))
    return jaccard_distance(*(roll[:n_frames] for roll in rolls))
