"""What do narrower weights cost a trained model?

Held-out sounds go through every target's decoder, teacher-forced, with the
weights in float32 and in every other format; the change in bits per sample and the
largest error of a logit say what the rounding does.

    python -P benchmarks/weight_formats.py universal --data DIR --out benchmarks/results/weight_formats.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from wavecore import checkpoint
from wavecore.audio import mulaw
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.nn import generate


def main() -> None:
    arguments = _arguments()
    model = checkpoint.load(arguments.model)
    dataset = DomainsDataset.open(arguments.data)
    found: dict[str, object] = {"model": model.name, "model_sha256": model.sha256, "split": "test", "targets": {}}
    for target in model.network.config.targets:
        codes, latent = _sounds(model.network, dataset, target, arguments.pieces, arguments.seconds)
        logits = {dtype: _logits(model.network, target, codes, latent, dtype) for dtype in generate.DTYPES["native"]}
        exact = logits["float32"]
        row = {"float32": {"bits": _bits(exact, codes)}}
        for dtype in (name for name in logits if name != "float32"):
            row[dtype] = {
                "bits": _bits(logits[dtype], codes),
                "bits_lost": _bits(logits[dtype], codes) - row["float32"]["bits"],
                "largest_logit_error": float(np.abs(logits[dtype] - exact).max()),
                "largest_logit": float(np.abs(exact).max()),
            }
        found["targets"][target] = row
        print(target, {dtype: {k: round(v, 5) for k, v in values.items()} for dtype, values in row.items()}, flush=True)
    if arguments.out:
        checkpoint.write_json(found, Path(arguments.out))


@torch.inference_mode()
def _sounds(
    network, dataset: DomainsDataset, target: str, n_pieces: int, seconds: float
) -> tuple[np.ndarray, np.ndarray]:
    """The same length of different tunes of a domain: codes (B, T) and their latents (B, F, C)."""
    hop = network.config.decoder.hop_length
    length = int(seconds * network.config.decoder.sample_rate) // hop * hop
    pieces = {}
    for piece in dataset.pieces("test", domain=target):
        codes = dataset.codes(piece, target)
        if len(codes) >= length:
            pieces.setdefault(piece.tune, np.array(codes[:length]))
    codes = np.stack(list(pieces.values())[:n_pieces])
    audio = torch.from_numpy(mulaw.decode(codes))
    return codes, network.encoder.encode(audio).numpy()


def _logits(network, target: str, codes: np.ndarray, latent: np.ndarray, dtype: str) -> np.ndarray:
    generator = generate.open_generator(
        network.decoder_state(target), network.config.decoder, batch=len(codes), seed=0, backend="native", dtype=dtype
    )
    generator.feed(latent)
    return generator.force(codes)


def _bits(logits: np.ndarray, codes: np.ndarray) -> float:
    rows = torch.from_numpy(logits).flatten(0, 1).double()
    nats = torch.nn.functional.cross_entropy(rows, torch.from_numpy(codes.astype(np.int64)).flatten())
    return float(nats) / float(np.log(2))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", required=True, help="a `domains` data set")
    parser.add_argument("--pieces", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--out", help="where to write the figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
