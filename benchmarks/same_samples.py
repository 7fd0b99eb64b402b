"""Compare two versions of wavecore: the same commands, seeds and inputs must give the same bytes.

    python -P benchmarks/same_samples.py OLD/.venv/bin/wavecore NEW/.venv/bin/wavecore

Every shipped model generates; sounds, latents and MIDI files are compared byte for byte.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import tempfile
import time
import wave
from pathlib import Path

import numpy as np

RATE = 16_000
COMMANDS = {
    "lstm": [
        "compose lstm --bars 4 --seed 1 -o tune.mid",
        "compose lstm --bars 6 --prime tune.mid --seed 2 -o continued.mid",
    ],
    "coconet": [
        "compose coconet --bars 1 --seed 4 -o chorale.mid",
        "compose coconet --melody chorale.mid --method ancestral --seed 5 -o harmonised.mid",
    ],
    "gan": ["compose gan --bars 4 --seed 1 -o noise.mid"],
    "musegan": [
        "compose musegan --bars 4 --seed 1 -o phrase.mid",
        "compose musegan --bars 2 --vary 0.3 --binarise bernoulli --seed 2 -o calm.mid",
    ],
    "musenet": ["compose musenet --composer bach --instruments violin,cello --bars 2 --seed 3 -o duet.mid"],
    "universal": [
        "translate whistle.wav --to all --seed 1 -o translated",
        "translate stereo.wav --to strings --rate native --temperature 0.9 --draws --octave -1 --seed 2 -o native.flac",
    ],
    "notes": [
        "encode low.wav high.wav -o latents",
        "decode latents/low.npz --seed 1 -o decoded",
        "interpolate low.wav high.wav --steps 3 --mix --seed 2 -o between",
        "grid low.wav high.wav low.wav high.wav --size 2 --seconds 0.5 --seed 3 -o surface",
        "render chorale.mid --seed 4 -o chorale.wav",
        "render tune.mid --instrument flute --draws --seed 5 -o flute.wav",
        "render tune.mid --through translation --instrument organ --seed 6 -o organ.wav",
    ],
    "ear": ["interpolate low.wav high.wav --steps 2 --describe --seed 7 --json -o described"],
}
"""Commands by the model that they use; the later ones read what the earlier ones wrote."""
COMPARED = {".wav", ".flac", ".mid", ".npz"}
"""What stands in JSON beside them names versions, folders and seconds."""


def write_sound(path: Path, seconds: float, f0_hz: float, glide: float, *, rate: int = RATE, channels: int = 1) -> None:
    """Write a tone of five partials whose pitch glides by a share and whose level rises and falls."""
    t = np.arange(int(seconds * rate)) / rate
    angle = 2 * np.pi * np.cumsum(f0_hz * (1 + glide * np.sin(2 * np.pi * t / seconds))) / rate
    envelope = np.minimum(1, 20 * np.minimum(t, seconds - t))
    x = 0.2 * envelope * sum(np.sin(k * angle) / k**1.5 for k in range(1, 6))
    frames = np.repeat((32767 * x).astype("<i2")[:, None], channels, axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(frames.tobytes())


def run(program: Path, folder: Path) -> dict[str, float]:
    """Run all commands of a version in a folder; return the seconds that each took."""
    write_sound(folder / "whistle.wav", 1.5, 880.0, 0.06)
    write_sound(folder / "stereo.wav", 0.8, 700.0, 0.0, rate=44_100, channels=2)
    write_sound(folder / "low.wav", 1.0, 220.0, 0.0)
    write_sound(folder / "high.wav", 1.0, 330.0, 0.0)
    seconds = {}
    for model in ("lstm", *(name for name in COMMANDS if name != "lstm")):  # its tune is harmonised and rendered
        for command in COMMANDS[model]:
            begun = time.monotonic()
            done = subprocess.run(
                [program, *command.split(), "--device", "cpu"], cwd=folder, capture_output=True, text=True
            )
            if done.returncode:
                raise SystemExit(f"{program} {command}: exit code {done.returncode}\n{done.stderr}")
            if "--json" in command:
                (folder / f"{model}.txt").write_text(done.stdout)
            seconds[command] = time.monotonic() - begun
    return seconds


def digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of every sound, latent and score below a folder."""
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in COMPARED]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def main() -> None:
    """Compare two versions; exit 1 where a file differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path, help="the wavecore command of one version")
    parser.add_argument("new", type=Path, help="the wavecore command of the other")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        old_s, new_s = run(args.old.absolute(), Path(one)), run(args.new.absolute(), Path(other))
        old, new = digests(Path(one)), digests(Path(other))
    for name in sorted(old.keys() | new.keys()):
        word = "same   " if old.get(name) == new.get(name) else "DIFFERS"
        print(f"{word}  {old.get(name, '-')[:16]}  {new.get(name, '-')[:16]}  {name}")
    for command, seconds in old_s.items():
        print(f"{seconds:7.1f} s {new_s[command]:7.1f} s  wavecore {command}")
    n_same = sum(old[name] == new.get(name) for name in old)
    print(f"{n_same} of {len(old.keys() | new.keys())} files are the same, byte for byte")
    raise SystemExit(0 if n_same == len(old.keys() | new.keys()) else 1)


if __name__ == "__main__":
    main()
