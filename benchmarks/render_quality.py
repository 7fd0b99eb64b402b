"""Whether the notes of a rendered score can be heard, and how long the rendering takes.

Every line is written to a file of its own, written down again by a pitch tracker, and compared with its score: F1 of
the notes, 50 ms and 50 cents, ends left out (as ``mir_eval.transcription`` counts them;
``tests/wavecore/metrics/test_transcription.py``).  The same is done with a plain synthesized sketch of each line,
which says what the tracker itself misses:

    python -P benchmarks/render_quality.py chorale.mid --results benchmarks/results/render.json
    python -P benchmarks/render_quality.py chorale.mid --instruments flute,clarinet,violin

Without ``--instruments`` every part is played by the one that is most like its program.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from wavecore import checkpoint
from wavecore.audio import files
from wavecore.metrics.transcription import Notes, note_f1, transcribe
from wavecore.rendering import bank as banks
from wavecore.rendering.api import render_file
from wavecore.rendering.casting import cast
from wavecore.rendering.sketch import sketch
from wavecore.symbolic import midi
from wavecore.symbolic.score import Score


def main() -> None:
    """Render, write down, compare, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores", nargs="+", type=Path)
    parser.add_argument("--model", default="notes", help="an autoencoder of notes or a translation network")
    parser.add_argument("--bank", type=Path, help="for an autoencoder of notes; its own if not given")
    parser.add_argument("--instruments", help="each plays everything, with commas between")
    parser.add_argument("--temperature", type=float, help="what suits the model if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, help="a JSON file")
    args = parser.parse_args()
    model = checkpoint.load(args.model, kind=None)
    bank = None
    if model.network.kind == "nsynth":
        bank = banks.for_model(model, args.bank)
    temperature = model.temperature if args.temperature is None else args.temperature
    found = []
    for path in args.scores:
        for instrument in args.instruments.split(",") if args.instruments else [None]:
            found.append(judge(model, bank, path, instrument, temperature, args.seed))
    if args.results:
        told = {
            "model": model.name,
            "model_sha256": model.sha256,
            "temperature": temperature,
            "seed": args.seed,
            "scores": found,
        }
        args.results.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def judge(model, bank, path: Path, instrument: str | None, temperature: float, seed: int) -> dict:
    """Render one score; return and print what is heard of each line."""
    song = midi.read(path)
    with tempfile.TemporaryDirectory() as folder:
        done = render_file(
            model,
            song,
            Path(folder) / "mix.wav",
            bank=bank,
            instrument=instrument,
            temperature=temperature,
            seed=seed,
            stems=Path(folder) / "stems",
        )
        sounds = [files.read(line.path) for line in done.lines]
    scores = [line.score for line in cast(song, {"any": None})]
    lines = []
    for line, score, (sound, rate) in zip(done.lines, scores, sounds, strict=True):
        plain = sketch(score, 0, len(sound), sample_rate=rate, level_db=-20.0)
        f1, ceiling = (note_f1(written(score), transcribe(x, sample_rate=rate)) for x in (sound, plain))
        lines.append(
            {
                "part": line.part,
                "instrument": line.instrument,
                "octave": line.octave,
                "notes": line.n_notes,
                "f1": f1,
                "f1_sketch": ceiling,
            }
        )
        print(
            f"{path.name:24}{line.part:12}{line.instrument:12}{line.n_notes:4} notes  F1 {f1:.2f}  (sketch"
            f" {ceiling:.2f})",
            flush=True,
        )
    print(
        f"{path.name:24}{done.seconds:.1f} s of {len(lines)} lines in {1 / done.realtime_factor:.2f} times their"
        " length",
        flush=True,
    )
    return {"score": path.name, "seconds": done.seconds, "time_share": 1 / done.realtime_factor, "lines": lines}


def written(score: Score) -> Notes:
    """A line's notes as arrays."""
    return Notes(
        *(np.array([getattr(note, name) for note in score.notes], np.float64) for name in ("onset_s", "end_s", "pitch"))
    )


if __name__ == "__main__":
    main()
