"""What limits a translation network: small controlled runs, each judged on held-out tunes.

Decoders need hours of a CPU to learn an instrument, and follow a melody only then, so a short run from nothing tells
nothing.  Here every run begins with the decoders of a trained model and an encoder of new weights: the encoder is
taught the notes, the decoders are fitted to its latent (``--teach-encoder``), and both learn on together.  Every run
differs from the first one in the words that the table gives, and in nothing else: the same data, seed, steps and
decoders.  What a run leaves out, the lessons of its encoder leave out as well.

What was trained and judged already is not done again, so the script can be stopped and started as one likes, and two
of it can share the runs (``--only``):

    python -P benchmarks/translation_study.py --data data/tunes --out runs/study --results
    benchmarks/results/translation_study.json

The table, in Markdown, is printed and written beside the results.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

COMMON = (
    "--init",
    "universal",
    "--teach-encoder",
    "--targets",
    "strings,flute",
    "--bottleneck",
    "none",
    "--latent-channels",
    "64",
    "--hop",
    "320",
    "--seed",
    "0",
    "--set",
    "paired_probability=0.8",
    "--set",
    "optimizer=muon",
    "--set",
    "learning_rate=0.0008",
    "--set",
    "batch_size=8",
    "--set",
    "crop_frames=15",
    "--set",
    "warmup_steps=10",
    "--set",
    "confusion_warmup_steps=30",
    "--set",
    "decay_fraction=0.7",
    "--set",
    "ema_decay=0.98",
    "--set",
    "validation_crops=4",
)
RUNS: dict[str, tuple[str, tuple[str, ...]]] = {
    "base": ("pairs, confusion, augmentation, 64 channels, a frame every 20 ms", ()),
    "unpaired": ("no pairs: the paper's way", ("--set", "paired_probability=0")),
    "no-augmentation": (
        "neither detuned, noisy nor transposed",
        (
            "--set",
            "augment_probability=0",
            "--set",
            "noise_probability=0",
            "--set",
            "transpose_semitones=0",
            "--set",
            "glide_probability=0",
        ),
    ),
    "no-confusion": ("lambda 0", ("--set", "confusion_weight=0")),
    "neither": ("lambda 0 and no pairs", ("--set", "confusion_weight=0", "--set", "paired_probability=0")),
    "strong-confusion": ("lambda 0.1, not 0.01", ("--set", "confusion_weight=0.1")),
    "latent-16": ("16 channels", ("--latent-channels", "16")),
    "latent-8": ("8 channels", ("--latent-channels", "8")),
    "rounded": ("16 channels of 5 values each", ("--latent-channels", "16", "--latent-levels", "5")),
    "notes": ("nothing passes but notes, onsets and the level", ("--bottleneck", "notes", "--latent-channels", "32")),
    "slow-frames": ("a frame every 50 ms, as published", ("--hop", "800", "--set", "crop_frames=6")),
    "long-crops": ("crops twice as long, half as many", ("--set", "batch_size=4", "--set", "crop_frames=30")),
    "clean-past": (
        "the decoder's past as it was",
        ("--set", "context_noise_probability=0", "--set", "context_dropout_probability=0"),
    ),
    "latent-noise": ("noise on the latent, a tenth of its root mean square", ("--set", "latent_noise=0.1")),
    "no-whistle": ("no whistle in training", ()),
}
MEASURES = (
    "truth_chroma_accuracy",
    "raw_chroma_accuracy",
    "pitch_ncc_dtw",
    "mel_distance",
    "source_mel_distance",
    "target_classifier_accuracy",
)


def main() -> None:
    """Train, judge, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="from `wavecore data domains --midi`: strings, flute, a whistle and others",
    )
    parser.add_argument(
        "--data-without-whistle", type=Path, help="the same without the whistle; else that run is left out"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--results", type=Path, required=True, help="JSON; a table in Markdown is written beside it")
    parser.add_argument("--steps", type=int, default=120, help="in which encoder and decoders learn together")
    parser.add_argument("--lesson-steps", type=int, default=1500, help="of the encoder alone")
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument(
        "--recording", type=Path, help="a recording of one voice that is translated as well: what of it is kept is told"
    )
    parser.add_argument("--only", help="names of runs, separated by commas")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    names = args.only.split(",") if args.only else list(RUNS)
    for name in names:
        data = args.data_without_whistle if name == "no-whistle" else args.data
        if data is None:
            print(f"{name}: left out, there is no --data-without-whistle", file=sys.stderr)
            continue
        train(args.out / name, data, RUNS[name][1], args)
        judge(args.out / name, args.data, args.clips)
        if args.recording:
            listen(args.out / name, args.recording)
        write(args)


def train(run: Path, data: Path, words: tuple[str, ...], args: argparse.Namespace) -> None:
    """Train a run to its end, or go on with it."""
    if (run / "last" / "config.json").is_file():
        return
    if any((run / "checkpoint").glob("[0-9]*")):
        command = ["wavecore", "train", "translation", "--out", str(run), "--resume"]
    else:
        # Later words replace earlier ones.
        ends = (
            "--set",
            f"steps={args.steps}",
            "--set",
            f"validate_every={args.steps}",
            "--set",
            f"pretraining_steps={args.lesson_steps}",
        )
        command = ["wavecore", "train", "translation", "--data", str(data), "--out", str(run), *COMMON, *ends, *words]
    print(f"{run.name}: {' '.join(command)}", file=sys.stderr)
    subprocess.run(command, check=True)


def judge(run: Path, data: Path, clips: int) -> None:
    """Evaluate a run's last model, from the whistle to all targets."""
    found = run / "evaluation.json"
    if found.is_file():
        return
    command = [
        "wavecore",
        "evaluate",
        "translation",
        str(run / "last"),
        "--data",
        str(data),
        "--from",
        "whistle",
        "--clips",
        str(clips),
        "--seconds",
        "4",
        "--json",
        "-q",
    ]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found.write_text(text, encoding="utf-8")


def listen(run: Path, recording: Path) -> None:
    """Translate a recording, several times as every draw differs, and note which share of its voiced frames is kept."""
    found = run / "recording.json"
    if found.is_file():
        return
    kept = []
    for seed in range(1, 5):
        command = [
            "wavecore",
            "translate",
            str(recording),
            "--to",
            "all",
            "--model",
            str(run / "last"),
            "--seed",
            str(seed),
            "--temperature",
            "0.5",
            "--json",
            "-q",
            "--overwrite",
            "-o",
            str(run / "recording"),
        ]
        outputs = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["outputs"]
        kept += [output["pitch_accuracy"] for output in outputs]
    found.write_text(json.dumps({"recording": recording.name, "kept": sum(kept) / len(kept)}), encoding="utf-8")


def write(args: argparse.Namespace) -> None:
    """Collect what is there."""
    results = {}
    for name, (what, _) in RUNS.items():
        file = args.out / name / "evaluation.json"
        if not file.is_file():
            continue
        found = json.loads(file.read_text(encoding="utf-8"))
        settings = json.loads((args.out / name / "settings.json").read_text(encoding="utf-8"))
        means = {key: sum(pair[key] for pair in found["pairs"]) / len(found["pairs"]) for key in MEASURES}
        kept = ("latent_probe_accuracy", "latent_probe_chance", "reconstruction_bits", "n_clips")
        heard = args.out / name / "recording.json"
        recorded = {"recording_kept": json.loads(heard.read_text(encoding="utf-8"))["kept"]} if heard.is_file() else {}
        results[name] = (
            {"what": what, "steps": settings["training"]["steps"]}
            | means
            | recorded
            | {key: found[key] for key in kept}
        )
    args.results.parent.mkdir(parents=True, exist_ok=True)
    args.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    table = format_table(results)
    args.results.with_suffix(".md").write_text(table, encoding="utf-8")
    print(table)


def format_table(results: dict[str, dict]) -> str:
    """Make a Markdown table: means over the targets of the medians over the tunes."""
    lines = [
        (
            "| run | differs by | chroma | of the input | warped contour | mel, share of the input's | taken for the"
            " target | probe (chance) | bits | recording kept |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in results.items():
        recorded = f"{found['recording_kept']:.2f}" if "recording_kept" in found else ""
        share = found["mel_distance"] / found["source_mel_distance"]
        lines.append(
            f"| {name} | {found['what']} | {found['truth_chroma_accuracy']:.2f} | {found['raw_chroma_accuracy']:.2f} |"
            f" {found['pitch_ncc_dtw']:.2f} | {share:.2f} | {found['target_classifier_accuracy']:.2f} |"
            f" {found['latent_probe_accuracy']:.2f} ({found['latent_probe_chance']:.2f}) |"
            f" {found['reconstruction_bits']:.2f} | {recorded} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
