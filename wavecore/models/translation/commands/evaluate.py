"""``wavecore evaluate translation``: the field's measures on tunes whose true rendering is known."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from wavecore.console import common, flags
from wavecore.console.console import Console, plural
from wavecore.errors import UsageError

COLUMNS = {
    "raw_pitch_accuracy": "pitch", "truth_chroma_accuracy": "chroma", "raw_chroma_accuracy": "input's", "pitch_ncc": "contour", "pitch_ncc_dtw": "warped",
    "pitch_jaccard": "notes apart", "mel_distance": "mel dB", "source_mel_distance": "input's mel", "rest_level_db": "rests dB", "target_classifier_accuracy": "target's",
}  # fmt: skip
WHISTLE = "whistle"
"""Comes in where a model hears it and does not play it."""
WHAT = ("model", "truth", "source", "silence", "noise")


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
        help="that comes in (default: one that the model hears and does not play, whistle before others; or its first)",
    )
    parser.add_argument(
        "--voices", choices=("one", "several"), default="one",
        help="tunes of one voice, or of several at once, which have no contour to follow (default: one)",
    )  # fmt: skip
    parser.add_argument("--to", type=flags.names, metavar="A,B", help="(default: all that the model plays)")
    parser.add_argument("--split", choices=("train", "valid", "test"), default="test", help="(default: test)")
    parser.add_argument(
        "--clips", type=flags.count, default=20, metavar="N", help="tunes that are judged (default: 20)"
    )
    parser.add_argument("--seconds", type=_seconds, default=5.0, metavar="S", help="of each (default: 5)")
    parser.add_argument(
        "--judge", choices=WHAT, default="model", help="what is judged: the model's translations, or, to see what the measures say of them, "
        "the true renderings, the inputs, silence or noise (default: model)",
    )  # fmt: skip
    flags.add_generation(parser, default_seed=0, default_temperature=None)


def run(args: argparse.Namespace, console: Console) -> None:
    """Judge a model's translations of held-out tunes.

    Raises
    ------
    WavecoreError
        As the exit codes say.
    """
    from wavecore.datasets.domains.reader import DomainsDataset
    from wavecore.models.translation import evaluate as evaluation
    from wavecore.models.translation import tune_clips

    model = common.load_model(args.model, console)
    dataset = DomainsDataset.open(args.data)
    config = model.network.config
    rate = config.decoder.sample_rate
    if dataset.sample_rate != rate:
        raise UsageError(f"the data set is at {dataset.sample_rate} Hz, the model at {rate} Hz")
    targets = common.chosen(args.to or list(config.targets), list(config.targets), what="domain")
    several = args.voices == "several"
    source = args.source or default_source(config.domains, () if several else config.targets)
    temperature = common.settle_temperature(args.temperature, model, console)
    clips = tune_clips.choose(
        dataset, source, targets, split=args.split, n_clips=args.clips, seconds=args.seconds, several=several
    )
    ear = evaluation.fit_ear(dataset, seconds=args.seconds)
    if args.judge == "model":
        device = common.settle_device(args.device, console)
        backend = common.settle_backend(args.backend, device, console)
        with console.progress("translating", unit="tunes") as show:
            said = evaluation.translate(
                model,
                clips,
                targets,
                seed=args.seed,
                temperature=temperature,
                backend=backend,
                device=device,
                on_progress=show,
            )
    else:
        said = tune_clips.instead(args.judge, clips, targets, seed=args.seed)
    pairs = []
    for target in targets:
        scores = evaluation.judge(clips, target, said[target], sample_rate=rate)
        pairs.append(evaluation.summarise(source, target, scores, said[target], ear))
    found = {
        "latent_probe_accuracy": evaluation.probe(model, dataset, args.split),
        "latent_probe_chance": 1 / len(evaluation.measured_domains(model, dataset)),
        "reconstruction_bits": evaluation.reconstruction_bits(model, dataset, args.split),
    }
    _say(pairs, found, len(clips), console)
    console.document(
        {
            "model": model.name, "model_sha256": model.sha256, "data": dataset.path.name, "domains": list(config.domains),
            "split": args.split, "seed": args.seed, "temperature": temperature, "judged": args.judge, "seconds": args.seconds, "voices": args.voices,
            "pairs": pairs, "n_clips": len(clips),
        } | found
    )  # fmt: skip


def default_source(domains: Sequence[str], targets: Sequence[str]) -> str:
    """Choose what comes in.

    Parameters
    ----------
    domains, targets : sequence of str
        That a model hears, and that it plays.

    Returns
    -------
    str
        A whistle, if it is only heard; or the first domain that is only heard; or the first.
    """
    mute = [name for name in domains if name not in targets] if targets else []
    return WHISTLE if WHISTLE in mute else next(iter(mute), domains[0])


def _say(pairs: list[dict], found: dict[str, float | None], n_clips: int, console: Console) -> None:
    console.result(
        f"{plural(n_clips, 'tune')}, medians; target's: share that a listener of its own takes for the target"
    )
    console.result(f"{'':26}" + "".join(f"{title:>13}" for title in COLUMNS.values()))
    for pair in pairs:
        console.result(f"{pair['from'] + ' to ' + pair['to']:26}" + "".join(_cell(pair[name]) for name in COLUMNS))
    if found["latent_probe_accuracy"] is not None:
        read, chance = found["latent_probe_accuracy"], found["latent_probe_chance"]
        console.result(f"a probe reads the domain in {read:.1%} of the latents, chance is {chance:.1%}")
    console.result(f"{found['reconstruction_bits']:.3f} bits per sample")


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
        "wavecore evaluate translation runs/first --data data/tunes --from whistle --to strings,flute --clips 40 --json\n"
        "wavecore evaluate translation --data data/tunes --judge truth"
    ),
    configure=configure,
    run=run,
)
