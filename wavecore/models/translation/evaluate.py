"""Measures of a translation model on held-out tunes whose true rendering in every domain is known.

The translation of a tune from one domain, a whistle for example, is compared with the same tune in the target domain:
melody, timbre, and the distance to the true rendering beside that of the input.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from wavecore.audio import files, mulaw
from wavecore.audio.pitch import track_f0
from wavecore.datasets.domains.manifest import Piece
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.errors import InputError, UsageError
from wavecore.metrics.contour import jaccard_distance, piano_roll, pitch_correlation, warped_pitch_correlation
from wavecore.metrics.mel import mel_distance
from wavecore.metrics.multipitch import sounding_notes
from wavecore.metrics.pitch import raw_chroma_accuracy, raw_pitch_accuracy
from wavecore.metrics.probe import probe_accuracy
from wavecore.metrics.silence import level_in_rests
from wavecore.models.translation.api import TranslationModel
from wavecore.models.translation.config import TranslationTrainingConfig
from wavecore.models.translation.data import BatchSource
from wavecore.models.translation.judge import DomainJudge
from wavecore.training import losses

SUBSTITUTES = ("truth", "source", "silence", "noise")
"""What may be judged in place of translations, to check the measures."""
JUDGE_CLIPS = 60
"""Most training clips of a domain that the judge is fitted to."""
NOISE = "(noise)"
STEEPEST_TILT = 1.0
"""Of noise: its magnitudes fall with up to this power of the frequency."""
PROBE_TRAINING, PROBE_TEST = 300, 100
"""Latents of every domain on which the probe is trained and tested."""
CROP_S, SKIPPED_S = 0.8, 0.05
"""Length of the crops whose latents and bits are measured, and of their beginnings that do not count."""
NOTE_OVERLAP_S = 1e-3
"""Notes that overlap by less follow each other: the times in a data set are rounded."""


@dataclass(frozen=True)
class Clip:
    """A held-out tune.

    Attributes
    ----------
    source : ndarray, shape (T,), float32
        The input.
    truth : dict of str to ndarray, shape (T,), float32
        The true rendering in each target.
    several : bool
        Whether notes sound at once.
    """

    name: str
    source: np.ndarray
    truth: dict[str, np.ndarray]
    several: bool = False


@dataclass(frozen=True)
class ClipScores:
    """Measures of one clip; those of a contour are None where several voices sound.

    Attributes
    ----------
    raw_pitch_accuracy : float or None
        Share of the true rendering's voiced frames whose pitch is right within 50 cents.
    truth_chroma_accuracy : float or None
        The same, octaves folded.
    raw_chroma_accuracy : float or None
        Of the input's voiced frames, octaves folded.  The input is the melody as it was played; out of tune or gliding,
        as whistles are, it differs from the true rendering.
    pitch_ncc, pitch_ncc_dtw : float or None
        Correlation with the input's contour, before and after warping time.
    pitch_jaccard : float
        Distance of the notes that sound from those of the true rendering, 0 to 1.
    mel_distance, source_mel_distance : float
        From the true rendering to the output and to the input, dB.
    rest_level_db : float or None
        Level of the output where the true rendering rests, dB of full scale; None where it never does.
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


def choose_clips(
    dataset: DomainsDataset,
    source: str,
    targets: Sequence[str],
    *,
    split: str,
    n_clips: int,
    seconds: float,
    several: bool = False,
) -> list[Clip]:
    """Return the beginnings, of at most so many seconds, of at most ``n_clips`` different tunes.

    Parameters
    ----------
    several : bool
        Whether to take tunes of several voices instead of those of one.

    Raises
    ------
    UsageError
        If the data are not paired or lack a domain.
    InputError
        If the split holds no such tune.
    """
    if not dataset.paired:
        raise UsageError(f"{dataset.path} does not hold the same tunes in every domain: true renderings are unknown")
    unknown = [name for name in (source, *targets) if name not in dataset.domains]
    if unknown:
        raise UsageError(f"the data set has no domain {', '.join(unknown)}; it has {', '.join(dataset.domains)}")
    length, clips = int(seconds * dataset.sample_rate), {}
    for piece in dataset.pieces(split, domain=source):
        fits = has_several_voices(piece) == several and all(target in piece.domains for target in targets)
        if piece.tune not in clips and fits:
            sounds = {name: mulaw.decode(np.array(dataset.codes(piece, name)[:length])) for name in {source, *targets}}
            clips[piece.tune] = Clip(piece.id, sounds[source], {name: sounds[name] for name in targets}, several)
        if len(clips) == n_clips:
            break
    if not clips:
        kind = " of several voices" if several else ""
        raise InputError(
            f"the split {split!r} of {dataset.path} holds no tune{kind} in {source} and {', '.join(targets)}"
        )
    return list(clips.values())


def has_several_voices(piece: Piece) -> bool:
    """Return whether notes of a piece sound at once; False where its notes are not known."""
    return any(a[0] + a[1] > b[0] + NOTE_OVERLAP_S for a, b in itertools.pairwise(sorted(piece.notes)))


def substitute(what: str, clips: Sequence[Clip], targets: Sequence[str], *, seed: int = 0) -> dict[str, list]:
    """Return sounds to judge in place of translations, as ``translate`` does; ``what`` is one of ``SUBSTITUTES``."""
    if what not in SUBSTITUTES:
        raise UsageError(f"there is no {what!r} to judge; choose one of {', '.join(SUBSTITUTES)}")
    rng = np.random.default_rng(seed)

    def make(clip: Clip, target: str) -> np.ndarray:
        if what == "truth":
            return clip.truth[target]
        if what == "source":
            return clip.source
        return (0.1 if what == "noise" else 0.0) * rng.standard_normal(len(clip.source)).astype(np.float32)

    return {target: [make(clip, target) for clip in clips] for target in targets}


def fit_judge(dataset: DomainsDataset, *, seconds: float) -> DomainJudge:
    """Fit a judge to true renderings of training tunes, clips of at most so many seconds, and to noise.

    Noise is its last domain, ``NOISE``: without one it would have to be classified as an instrument.
    """
    length = int(seconds * dataset.sample_rate)
    sounds = {}
    for domain in dataset.domains:
        pieces = dataset.pieces("train", domain=domain)
        rows = np.unique(np.linspace(0, len(pieces) - 1, min(len(pieces), JUDGE_CLIPS)).astype(int))
        sounds[domain] = [mulaw.decode(np.array(dataset.codes(pieces[row], domain)[:length])) for row in rows]
    rng = np.random.default_rng(0)
    sounds[NOISE] = [_coloured_noise(rng, length) for _ in range(JUDGE_CLIPS)]
    return DomainJudge(sounds, sample_rate=dataset.sample_rate)


def translate(
    model: TranslationModel,
    clips: Sequence[Clip],
    targets: Sequence[str],
    *,
    on_progress: Callable[[int, int], None] | None = None,
    **options,
) -> dict[str, list[np.ndarray]]:
    """Translate clips to every target, through files, as a user of the command line does.

    Parameters
    ----------
    on_progress : callable, optional
        Called with (clips done, clips in all).
    **options
        Of ``TranslationModel.translate_file``.

    Returns
    -------
    dict of str to list of ndarray, shape (T,), float32
        By target, in the order of the clips.
    """
    outputs: dict[str, list[np.ndarray]] = {target: [] for target in targets}
    with tempfile.TemporaryDirectory() as folder:
        for number, clip in enumerate(clips):
            source = Path(folder) / f"{number}.wav"
            files.write(source, clip.source, model.rate)
            paths = {target: source.with_name(f"{number}__{target}.wav") for target in targets}
            model.translate_file(source, paths, **options)
            for target, path in paths.items():
                outputs[target].append(files.read(path)[0])
            if on_progress is not None:
                on_progress(number + 1, len(clips))
    return outputs


def score(clips: Sequence[Clip], target: str, outputs: Sequence[np.ndarray], *, sample_rate: int) -> list[ClipScores]:
    """Compare outputs, shape (T,) each, with the inputs and with the true renderings."""
    scores = []
    for clip, output in zip(clips, outputs, strict=True):
        truth = clip.truth[target]
        distances = {
            "mel_distance": mel_distance(truth, output, sample_rate=sample_rate),
            "source_mel_distance": mel_distance(truth, clip.source, sample_rate=sample_rate),
            "rest_level_db": level_in_rests(output, truth, sample_rate=sample_rate),
        }
        score_melody = _score_notes if clip.several else _score_contour
        scores.append(ClipScores(**score_melody(clip.source, truth, output, sample_rate), **distances))
    return scores


def _score_contour(source: np.ndarray, truth: np.ndarray, output: np.ndarray, sample_rate: int) -> dict[str, float]:
    source_track, truth_track, track = (track_f0(x, sample_rate=sample_rate) for x in (source, truth, output))
    return {
        "raw_pitch_accuracy": raw_pitch_accuracy(truth_track, track),
        "truth_chroma_accuracy": raw_chroma_accuracy(truth_track, track),
        "raw_chroma_accuracy": raw_chroma_accuracy(source_track, track),
        "pitch_ncc": pitch_correlation(source_track, track),
        "pitch_ncc_dtw": warped_pitch_correlation(source_track, track),
        "pitch_jaccard": _roll_distance(piano_roll(truth_track), piano_roll(track)),
    }


def _score_notes(source: np.ndarray, truth: np.ndarray, output: np.ndarray, sample_rate: int) -> dict:
    contour = ("raw_pitch_accuracy", "truth_chroma_accuracy", "raw_chroma_accuracy", "pitch_ncc", "pitch_ncc_dtw")
    rolls = [sounding_notes(x, sample_rate=sample_rate) for x in (truth, output)]
    return dict.fromkeys(contour) | {"pitch_jaccard": _roll_distance(*rolls)}


def _roll_distance(truth: np.ndarray, output: np.ndarray) -> float:
    n_frames = min(len(truth), len(output))
    return jaccard_distance(truth[:n_frames], output[:n_frames])


def summarise(
    source: str, target: str, scores: Sequence[ClipScores], outputs: Sequence[np.ndarray], judge: DomainJudge
) -> dict:
    """Return ``from``, ``to``, the medians of the scores, ``target_classifier_accuracy`` and ``clips``, all scores."""
    columns = {name: [getattr(each, name) for each in scores] for name in asdict(scores[0])}
    measured = {name: [value for value in values if value is not None] for name, values in columns.items()}
    medians = {name: float(np.median(values)) if values else None for name, values in measured.items()}
    judged = {"target_classifier_accuracy": judge.accuracy(outputs, target), "clips": [asdict(each) for each in scores]}
    return {"from": source, "to": target} | medians | judged


def measured_domains(model: TranslationModel, dataset: DomainsDataset) -> tuple[str, ...]:
    """Return the domains that model and data share, in the model's order."""
    return tuple(name for name in model.domains if name in dataset.domains)


def probe(model: TranslationModel, dataset: DomainsDataset, split: str) -> float | None:
    """Return the accuracy of a new classifier of the domain on the latents of a split; None for fewer than two domains.

    It is trained on the latents of training sounds; one over the number of ``measured_domains`` is chance.
    """
    if len(measured_domains(model, dataset)) < 2:
        return None
    source = _crops(model, dataset, 0)
    return probe_accuracy(
        *_latents(model, source, "train", PROBE_TRAINING), *_latents(model, source, split, PROBE_TEST)
    )


@torch.inference_mode()
def _latents(model: TranslationModel, source: BatchSource, split: str, n_crops: int) -> tuple[np.ndarray, np.ndarray]:
    """Return latents, (n, F, C) float32, of so many crops of every domain, and their domains, (n,) int."""
    latents, labels = [], []
    for index, domain in enumerate(source.network.domains):
        audio, octave_shift = source.validation_inputs(domain, n_crops=n_crops, split=split)
        latents.append(model.network.encoder(audio, octave_shift=octave_shift).numpy())
        labels += [index] * n_crops
    return np.concatenate(latents), np.array(labels)


@torch.inference_mode()
def reconstruction_bits(model: TranslationModel, dataset: DomainsDataset, split: str, *, n_crops: int = 16) -> float:
    """Return the bits per sample of held-out crops of the decoders' own domains, the mean over those in the data."""
    network, bits = model.network, []
    skipped = round(SKIPPED_S * model.rate)
    source = _crops(model, dataset, skipped)
    for target in source.network.targets:
        batch = source.validation_batch(target, target, n_crops=n_crops, split=split)
        latent = network.encoder(batch.clean, octave_shift=batch.octave_shift)
        logits = network(batch.codes, latent, torch.full_like(batch.targets, network.config.targets.index(target)))
        bits.append(losses.bits(losses.reconstruction(logits, batch.codes, skip_samples=skipped)))
    return float(np.mean(bits))


def _crops(model: TranslationModel, dataset: DomainsDataset, skip_samples: int) -> BatchSource:
    """Return a source of crops of the domains that model and data share, of the same length for every frame rate."""
    config, domains = model.network.config, measured_domains(model, dataset)
    shared = replace(config, domains=domains, targets=tuple(name for name in config.targets if name in domains))
    crop_frames = max(1, round(CROP_S * config.decoder.frame_rate))
    training = TranslationTrainingConfig(crop_frames=crop_frames, skip_samples=skip_samples)
    return BatchSource(dataset, shared, training, model.network.encoder.context_frames)


def _coloured_noise(rng: np.random.Generator, length: int) -> np.ndarray:
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1.0) ** rng.uniform(0, STEEPEST_TILT)
    x = np.fft.irfft(spectrum, length)
    return (0.1 * x / x.std()).astype(np.float32)
