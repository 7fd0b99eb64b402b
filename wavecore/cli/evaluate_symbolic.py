"""``wavecore evaluate symbolic``: composers by the measures of their fields."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from wavecore.console import common, flags
from wavecore.console.console import Console, plural
from wavecore.errors import ModelError, UsageError

CROP = 64
ORDERINGS = 5
SAMPLES = {"lstm": 64, "gan": 64, "musegan": 512, "musenet": 8}
"""Pieces that are written unless told: in all, for a MuseNet in each style."""
OF_COCONET = {"crop": CROP, "orderings": ORDERINGS, "chronological": False, "pieces": None}
"""Flags that mean nothing to others, and their values."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore evaluate symbolic``."""
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="a composer: a shipped one's name, or a folder (default: the shipped Coconet)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="for a Coconet what `wavecore data chorales` wrote, for the others what `wavecore data midi` did",
    )
    parser.add_argument("--split", choices=("train", "valid", "test"), default="test", help="(default: test)")
    parser.add_argument(
        "--samples",
        type=flags.count,
        metavar="N",
        help="compose N pieces and judge them; a Coconet composes only if told (default for others: 64, of a MuseGAN 512 phrases, of a MuseNet 8 in each style)",
    )
    chorales = parser.add_argument_group("likelihood of a Coconet")
    chorales.add_argument("--pieces", type=flags.count, metavar="N", help="of the split (default: all)")
    chorales.add_argument(
        "--crop", type=flags.count, default=CROP, metavar="N", help=f"sixteenths of each (default: {CROP})"
    )
    chorales.add_argument(
        "--orderings",
        type=flags.count,
        default=ORDERINGS,
        metavar="N",
        help=f"of frames and voices, for each (default: {ORDERINGS})",
    )
    chorales.add_argument(
        "--chronological", action="store_true", help="frames from the first to the last, not in random orders"
    )
    flags.add_seed(parser, default=0)
    flags.add_device(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Judge a composer.

    Raises
    ------
    WavecoreError
        If model or data are missing or do not fit each other.
    """
    from wavecore import checkpoint

    model = checkpoint.load(args.model or common.shipped("coconet"), kind=None)
    kind = model.network.kind
    if kind not in ("coconet", *SAMPLES):
        raise ModelError(f"{model.name} is of kind {kind!r}, no composer; those are coconet, {', '.join(SAMPLES)}")
    device = common.settle_device(args.device, console)
    if kind == "coconet":
        _judge_coconet(args, model, device, console)
        return
    for name, usual in OF_COCONET.items():
        if getattr(args, name) != usual:
            raise UsageError(f"--{name} is for a Coconet, and {model.name} is of kind {kind!r}; leave it out")
    if args.split == "train":
        raise UsageError(f"{model.name} is judged beside what it was not trained on: --split valid or test")
    _judge_other(args, model, device, console)


def _judge_other(args: argparse.Namespace, model, device: str, console: Console) -> None:
    """Judge who learnt from songs."""
    from wavecore.datasets.songs import SongsDataset

    kind = model.network.kind
    evaluate, tell = _judges(kind)
    size = {"n_phrases" if kind == "musegan" else "n_samples": args.samples or SAMPLES[kind]}
    with console.progress("composing", unit="pieces") as show:
        found = evaluate(
            model.network.to(device), SongsDataset.open(args.data), seed=args.seed, split=args.split, told=show, **size
        )
    console.document({"model": model.name, "model_sha256": model.sha256, "data": args.data, **found})
    console.result(
        f"{model.name}: {plural(found.get('n_phrases', size.get('n_samples')), 'sample')} beside the {args.split} split of {args.data}"
    )
    for line in tell(found):
        console.result(f"  {line}")


def _judges(kind: str) -> tuple[Callable[..., dict], Callable[[dict], list[str]]]:
    """What measures a kind of composer, and what tells of it."""
    if kind == "musegan":
        from wavecore.models.musegan.evaluate import evaluate

        return evaluate, _tell_phrases
    if kind == "musenet":
        from wavecore.models.musenet.evaluate import evaluate

        return evaluate, _tell_styles
    from wavecore.models.melody_evaluation import evaluate

    return evaluate, _tell_lines


def _tell_lines(found: dict) -> list[str]:
    lines = []
    if "bits_per_note" in found:
        lines.append(
            f"{found['bits_per_note']:.3f} bits per note: {found['note_bits']:.3f} of its pitch, {found['duration_bits']:.3f} of its duration"
        )
    for name in ("data", "samples"):
        one = found[name]
        shared = ", ".join(f"{key.replace('_', ' ')} {_number(value)}" for key, value in one["overlap"].items())
        rest = ", ".join(
            f"{key.replace('_', ' ')} {_number(one[key])}"
            for key in ("scale_consistency", "distinct_stretches", "copied_stretches")
        )
        lines.append(f"{name:9}overlap: {shared}; {rest}")
    return lines


def _tell_phrases(found: dict) -> list[str]:
    lines = []
    for name in ("data", "samples"):
        one = found[name]
        rest = ", ".join(
            f"{key.replace('_', ' ')} {_number(one[key])}"
            for key in ("distance", "distinct_bars", "copied_bars", "copied_stretches")
        )
        lines.append(f"{name:9}{rest}")
        for track, measures in one["tracks"].items():
            lines.append(
                f"  {track:12}"
                + ", ".join(f"{key.replace('_', ' ')} {_number(value)}" for key, value in measures.items())
            )
    return lines


def _tell_styles(found: dict) -> list[str]:
    lines = [
        f"{found['bits_per_token']:.3f} bits per token; counting tokens {found['unigram_bits']:.3f}, counting pairs {found['bigram_bits']:.3f}"
    ]
    for pair, apart in found.get("apart", {}).items():
        for statistic, bits in apart.items():
            lines.append(
                f"{pair}: {statistic.replace('_', ' ')} {_number(bits['data'])} bits apart in the data, {_number(bits['samples'])} in samples"
            )
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _judge_coconet(args: argparse.Namespace, model, device: str, console: Console) -> None:
    """Judge who fills chorales."""
    from wavecore.datasets.chorales import ChoralesDataset
    from wavecore.models.coconet import evaluate as evaluation

    dataset = ChoralesDataset.open(args.data)
    network = model.network.to(device)
    crops = evaluation.cut(dataset.grids[args.split], args.crop, seed=args.seed, n_pieces=args.pieces)
    with console.progress("measuring", unit="passes") as show:
        found = evaluation.likelihood(
            network,
            crops,
            seed=args.seed,
            n_orderings=args.orderings,
            chronological=args.chronological,
            told=lambda _, *done: show(*done),
        )
    found = {"model": model.name, "data": args.data, "split": args.split, "crop": args.crop, **found}
    if args.samples:
        found |= _samples(args, network, crops, evaluation, console)
    console.document(found)
    console.result(
        f"{model.name}: {found['framewise_nll']['16th']:.3f} nats per frame of sixteenths (standard error {found['standard_error']:.3f}; "
        f"{found['n_pieces']} chorales, {found['orderings']} orderings each; {found['framewise_nll_alone']['16th']:.3f} for an ordering alone)"
    )
    for name, counts in found.get("counterpoint", {}).items():
        console.result(
            f"  {name:12}" + ", ".join(f"{key.replace('_', ' ')} {value:.3f}" for key, value in counts.items())
        )
    for name, nats in found.get("samples_nll", {}).items():
        console.result(f"  {name} samples: {nats:.3f} nats per frame")


def _samples(args: argparse.Namespace, network, crops, evaluation, console: Console) -> dict:
    with console.progress("composing", unit="steps") as show:
        pieces = evaluation.samples(
            network,
            n_samples=args.samples,
            n_bars=max(1, args.crop // 16),
            seed=args.seed,
            told=lambda _, *done: show(*done),
        )
        written = evaluation.harmonised(network, crops, seed=args.seed, told=lambda _, *done: show(*done))
    judged = {}
    with console.progress("measuring samples", unit="passes") as show:
        for name, grids in pieces.items():
            nats = evaluation.likelihood(
                network, list(grids), seed=args.seed, n_orderings=args.orderings, told=lambda _, *done: show(*done)
            )
            judged[name] = nats["framewise_nll"]["16th"]
    kept = all((one[:, 0] == other[:, 0]).all() for one, other in zip(crops, written, strict=True))
    counts = {"data": evaluation.counted(crops), **{name: evaluation.counted(grids) for name, grids in pieces.items()}}
    return {
        "samples_nll": judged,
        "soprano_kept": bool(kept),
        "counterpoint": counts | {"harmonised": evaluation.counted(written)},
    }


COMMAND = flags.Command(
    summary="composers: likelihood of held-out music, and what they write beside it",
    example=(
        "wavecore evaluate symbolic --data data/chorales --json\n"
        "wavecore evaluate symbolic runs/coconet --data data/chorales --pieces 20 --orderings 1 --samples 16\n"
        "wavecore evaluate symbolic runs/lstm --data data/songs"
    ),
    configure=configure,
    run=run,
)
