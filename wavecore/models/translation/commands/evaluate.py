"""``wavecore evaluate translation``: the field's measures on tunes whose true rendering is known."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wavecore.console import common, flags
from wavecore.console.console import Console, plural
from wavecore.errors import UsageError
from wavecore.models.translation.commands.translate import Session

COLUMNS = {
    "raw_pitch_accuracy": "pitch",
    "truth_chroma_accuracy": "chroma",
    "raw_chroma_accuracy": "input's",
    "pitch_ncc": "contour",
    "pitch_ncc_dtw": "warped",
    "pitch_jaccard": "notes apart",
    "mel_distance": "mel dB",
    "source_mel_distance": "input's mel",
    "rest_level_db": "rests dB",
    "target_classifier_accuracy": "target's",
}
WHISTLE = "whistle"
"""The input where a model encodes it and does not generate it."""
JUDGED = ("model", "truth", "source", "silence", "noise")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore evaluate translation``."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a translation model (default: the shipped one)")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="the same tunes in every domain, as `wavecore data domains --midi` builds them",
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="DOMAIN",
        help="domain of the input (default: one that the model encodes and does not generate, whistle before others; "
        "or its first)",
    )
    parser.add_argument(
        "--voices",
        choices=("one", "several"),
        default="one",
        help="tunes of one voice, or of several at once, which have no contour to follow (default: one)",
    )
    parser.add_argument("--to", type=flags.names, metavar="A,B", help="(default: all that the model generates)")
    parser.add_argument("--split", choices=("train", "valid", "test"), default="test", help="(default: test)")
    parser.add_argument("--clips", type=flags.count, default=20, metavar="N", help="number of tunes (default: 20)")
    parser.add_argument("--seconds", type=_seconds, default=5.0, metavar="S", help="of each (default: 5)")
    parser.add_argument(
        "--judge",
        choices=JUDGED,
        default="model",
        help="what is judged: the model's translations, or, to check the measures, the true renderings, the inputs, "
        "silence or noise (default: model)",
    )
    flags.add_generation(parser, default_seed=0, default_temperature=None)


def run(args: argparse.Namespace, console: Console) -> None:
    """Measure a model's translations of held-out tunes.

    Raises
    ------
    WavecoreError
        As the exit codes say.
    """
    from wavecore.datasets.domains.reader import DomainsDataset
    from wavecore.models.translation import evaluate

    session = Session.open(args, console)
    model = session.model
    dataset = DomainsDataset.open(args.data)
    if dataset.sample_rate != model.rate:
        raise UsageError(f"the data set is at {dataset.sample_rate} Hz, the model at {model.rate} Hz")
    targets = common.chosen(args.to or model.targets, model.targets, what="domain")
    several = args.voices == "several"
    source = args.source or default_source(model.domains, () if several else model.targets)
    clips = evaluate.choose_clips(
        dataset, source, targets, split=args.split, n_clips=args.clips, seconds=args.seconds, several=several
    )
    judge = evaluate.fit_judge(dataset, seconds=args.seconds)
    if args.judge == "model":
        with console.progress("translating", unit="tunes") as show:
            outputs = evaluate.translate(model, clips, targets, on_progress=show, **session.options())
    else:
        outputs = evaluate.substitute(args.judge, clips, targets, seed=args.seed)
    pairs = []
    for target in targets:
        scores = evaluate.score(clips, target, outputs[target], sample_rate=model.rate)
        pairs.append(evaluate.summarise(source, target, scores, outputs[target], judge))
    whole = {
        "latent_probe_accuracy": evaluate.probe(model, dataset, args.split),
        "latent_probe_chance": 1 / len(evaluate.measured_domains(model, dataset)),
        "reconstruction_bits": evaluate.reconstruction_bits(model, dataset, args.split),
    }
    _print(pairs, whole, len(clips), console)
    settings = {
        "model": model.name,
        "model_sha256": model.sha256,
        "data": dataset.path.name,
        "domains": list(model.domains),
        "split": args.split,
        "seed": args.seed,
        "temperature": session.temperature,
        "judged": args.judge,
        "seconds": args.seconds,
        "voices": args.voices,
    }
    console.document(settings | {"pairs": pairs, "n_clips": len(clips)} | whole)


def default_source(domains: Sequence[str], targets: Sequence[str]) -> str:
    """Return the input's domain: of those that are not generated a whistle, or else the first; or the first of all."""
    inputs_only = [name for name in domains if name not in targets] if targets else []
    return WHISTLE if WHISTLE in inputs_only else next(iter(inputs_only), domains[0])


def _print(pairs: list[dict], whole: dict[str, Any], n_clips: int, console: Console) -> None:
    console.result(
        f"{plural(n_clips, 'tune')}, medians; target's: share that a separate classifier takes for the target"
    )
    console.result(f"{'':26}" + "".join(f"{title:>13}" for title in COLUMNS.values()))
    for pair in pairs:
        console.result(f"{pair['from'] + ' to ' + pair['to']:26}" + "".join(_cell(pair[name]) for name in COLUMNS))
    if whole["latent_probe_accuracy"] is not None:
        accuracy, chance = whole["latent_probe_accuracy"], whole["latent_probe_chance"]
        console.result(f"a probe classifies the domain of {accuracy:.1%} of the latents, chance is {chance:.1%}")
    console.result(f"{whole['reconstruction_bits']:.3f} bits per sample")


def _cell(value: float | None) -> str:
    return f"{'-' if value is None else f'{value:.3f}':>13}"


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.5 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"half a second or more is needed, not {text!r}")
    return value


COMMAND = flags.Command(
    summary="melody, timbre and distance to the truth of translated tunes",
    example=(
        "wavecore evaluate translation --data data/tunes\n"
        "wavecore evaluate translation runs/first --data data/tunes --from whistle --to strings,flute --clips 40\n"
        "wavecore evaluate translation --data data/tunes --judge truth"
    ),
    configure=configure,
    run=run,
)
