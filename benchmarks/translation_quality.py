"""How well does a translation model follow melodies it has never heard?

Held-out tunes are translated from one domain (a whistle) to every target, by
the same code that ``wavecore translate`` runs; the share of voiced frames
within 50 cents of the input, octaves folded, is the raw chroma accuracy.

    python -P benchmarks/translation_quality.py MODEL --data DIR --pieces 10 --out evaluation.json
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch

from wavecore.audio import files, mulaw
from wavecore.datasets.domains import DomainsDataset
from wavecore.metrics.probe import probe_accuracy
from wavecore.models import checkpoint
from wavecore.training.batches import BatchSource
from wavecore.training.config import TrainingConfig
from wavecore.training.validation import validate
from wavecore.translate import translate_file


def main() -> None:
    arguments = _arguments()
    model = checkpoint.load(arguments.model)
    dataset = DomainsDataset.open(arguments.data)
    losses = _losses(model, dataset, arguments.split, arguments.crops)
    pieces = _one_excerpt_a_tune(dataset, arguments.split, arguments.source)[: arguments.pieces]
    targets = arguments.targets.split(",") if arguments.targets else list(model.network.config.targets)
    accuracies: dict[str, list[float]] = {target: [] for target in targets}
    for piece, codes in pieces:
        for target, accuracy in _translate(model, mulaw.decode(codes), piece.id, targets, arguments).items():
            accuracies[target].append(accuracy)
        print(piece.id, {target: round(values[-1], 3) for target, values in accuracies.items()}, flush=True)
    found = {
        "model": model.name,
        "model_sha256": model.sha256,
        "split": arguments.split,
        "source": arguments.source,
        "temperature": arguments.temperature,
        "seconds": arguments.seconds,
        "n_pieces": len(pieces),
        "raw_chroma_accuracy": {
            target: {"median": statistics.median(values), "lowest": min(values), "all": values}
            for target, values in accuracies.items()
        },
        "losses": losses,
        "latent_probe_accuracy": _probe(model, dataset, arguments.split),
        "classifier_chance": 1 / len(model.network.config.domains),
    }
    if arguments.out:
        checkpoint.write_json(found, Path(arguments.out))
    for target, values in accuracies.items():
        print(f"{arguments.source} -> {target}: median raw chroma accuracy {statistics.median(values):.3f}")
    for name, value in losses.items():
        print(f"{name}: {value:.3f}")
    print(f"latent_probe_accuracy: {found['latent_probe_accuracy']:.3f}, chance {found['classifier_chance']:.3f}")


def _one_excerpt_a_tune(dataset: DomainsDataset, split: str, source: str) -> list:
    """The first excerpt of every tune, so that N pieces are N tunes."""
    found = {}
    for piece, codes in dataset.whole_pieces(split, source):
        found.setdefault(piece.tune, (piece, codes))
    return list(found.values())


def _losses(model, dataset: DomainsDataset, split: str, crops: int) -> dict[str, float]:
    """Bits per sample and the classifier's accuracy on held-out crops, inputs drawn as in training."""
    context = model.network.encoder.context_frames
    training = TrainingConfig(crop_frames=16, skip_samples=800, paired_probability=1.0 if dataset.paired else 0.0)
    return validate(model.network, BatchSource(dataset, model.network.config, training, context), n_crops=crops, split=split)


@torch.inference_mode()
def _latents(network, source: BatchSource, split: str, n_crops: int) -> tuple[np.ndarray, np.ndarray]:
    """Latents of crops of every domain, and the domains' numbers."""
    latents, labels = [], []
    for index, domain in enumerate(network.config.domains):
        audio, octave_shift = source.validation_inputs(domain, n_crops=n_crops, split=split)
        latents.append(network.encoder(audio, octave_shift=octave_shift).numpy())
        labels += [index] * n_crops
    return np.concatenate(latents), np.array(labels)


def _probe(model, dataset: DomainsDataset, split: str) -> float:
    """What a classifier that the encoder never met reads from 0.8 s of latent: a network's own can be fooled."""
    network = model.network
    source = BatchSource(dataset, network.config, TrainingConfig(crop_frames=16), network.encoder.context_frames)
    return probe_accuracy(*_latents(network, source, "train", 300), *_latents(network, source, split, 100))


def _translate(model, x, name: str, targets: list[str], arguments) -> dict[str, float]:
    """Translate one tune through files, as a user does; the pitch accuracy of every target."""
    rate = model.network.config.decoder.sample_rate
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments.keep) if arguments.keep else Path(temporary)
        source = folder / f"{Path(name).name}.wav"
        files.write(source, x[: int(arguments.seconds * rate)], rate, overwrite=True)
        outputs = {target: folder / f"{source.stem}__{target}.wav" for target in targets}
        results = translate_file(
            model, source, outputs, seed=arguments.seed, temperature=arguments.temperature, overwrite=True
        )
    return {result.domain: result.pitch_accuracy or 0.0 for result in results}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", required=True, help="a `domains` data set")
    parser.add_argument("--source", default="whistle")
    parser.add_argument("--targets", help="comma-separated; all by default")
    parser.add_argument("--split", default="test", choices=("valid", "test"))
    parser.add_argument("--pieces", type=int, default=10)
    parser.add_argument("--crops", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", help="a folder to keep the sounds in")
    parser.add_argument("--out", help="where to write the figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
