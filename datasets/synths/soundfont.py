"""Rendering scores with a SoundFont; the same score gives the same samples at every call.

FluidSynth resamples recordings without a low-pass filter, so that at 16 kHz whatever lies above 8 kHz folds back: -18
dB of the harpsichord's energy, -31 dB of the violin's (FluidR3 GM). Therefore everything is rendered at three times the
rate and decimated by soxr.

Stereo SoundFonts often hold two takes of an instrument that are hardly correlated (0.36 for FluidR3's violin, 0.43 for
its flute); their mean beats like two players. One channel is one player; the left one is used.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
from pathlib import Path

import numpy as np

from wavecore.audio import resample
from wavecore.errors import InputError, UsageError
from wavecore.symbolic.score import Note, Score

SAMPLE_RATE = 16_000
OVERSAMPLING = 3
BLOCK = 64  # FluidSynth starts and stops notes at multiples of this many samples
SEVENTH_ORDER = 7  # FLUID_INTERP_7THORDER
TARGET_RMS = 0.1  # -20 dBFS
PEAK_LIMIT = 0.55  # of the calibration; louder velocities and overlapping releases may exceed it

PLACES = (
    "/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "/usr/share/soundfonts/FluidR3_GM.sf2",
    "/usr/local/share/soundfonts/FluidR3_GM.sf2",
    "/opt/homebrew/share/soundfonts/FluidR3_GM.sf2",
)

# General MIDI, bank 0; common names of the instruments of the GM 1 sound set.
PROGRAMS = {
    "piano": 0,
    "harpsichord": 6,
    "celesta": 8,
    "music box": 10,
    "vibraphone": 11,
    "marimba": 12,
    "drawbar organ": 16,
    "church organ": 19,
    "reed organ": 20,
    "accordion": 21,
    "guitar": 24,
    "bass": 32,
    "violin": 40,
    "viola": 41,
    "cello": 42,
    "contrabass": 43,
    "harp": 46,
    "strings ensemble": 48,
    "choir": 52,
    "trumpet": 56,
    "trombone": 57,
    "french horn": 60,
    "brass section": 61,
    "saxophone": 65,
    "oboe": 68,
    "bassoon": 70,
    "clarinet": 71,
    "piccolo": 72,
    "flute": 73,
    "recorder": 74,
    "pan flute": 75,
    "whistle": 78,
    "ocarina": 79,
}


def program(name: str | int) -> int:
    """Return the General MIDI program, 0 to 127, of a number or a name of `PROGRAMS` in any case.

    Raises
    ------
    UsageError
        If there is no such instrument.

    Examples
    --------
    >>> program("Violin"), program(73)
    (40, 73)
    """
    if isinstance(name, int) and name in range(128):
        return name
    if isinstance(name, str) and name.lower() in PROGRAMS:
        return PROGRAMS[name.lower()]
    raise UsageError(f"no instrument {name!r}; give a General MIDI number 0 to 127 or one of: {', '.join(PROGRAMS)}")


def find_soundfont(path: str | Path | None = None) -> Path:
    """Return the path of a SoundFont, FluidR3 GM from its usual places by default.

    Raises
    ------
    InputError
        If there is none; the message lists the places and how to get one.
    """
    candidates = [Path(path)] if path is not None else [Path(place) for place in PLACES]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise InputError(
        f"no SoundFont at {', '.join(map(str, candidates))}; "
        "install one (Debian, Ubuntu: apt install fluid-soundfont-gm) or give the path of an .sf2 file"
    )


class SoundFont:
    """A SoundFont that renders scores at 8,000 to 32,000 Hz; FluidR3 GM from its usual places by default.

    Raises
    ------
    InputError
        If the file is missing or is no SoundFont.
    UsageError
        If pyfluidsynth or libfluidsynth is missing, or for another rate.
    """

    def __init__(self, path: str | Path | None = None, *, sample_rate: int = SAMPLE_RATE):
        if not 8_000 <= sample_rate <= 32_000:
            raise UsageError(f"SoundFonts are rendered at 8,000 to 32,000 Hz, not {sample_rate}; resample the result")
        self.path = find_soundfont(path)
        self.sample_rate = sample_rate
        with _Player(self.path, sample_rate * OVERSAMPLING):
            pass  # a damaged file or a missing library is reported now, not at the first note

    def preset_name(self, instrument: str | int, *, bank: int = 0) -> str:
        """Return the SoundFont's name of a program, or raise InputError if it has none."""
        with _Player(self.path, self.sample_rate * OVERSAMPLING) as player:
            return player.select(program(instrument), bank)

    def render(
        self, score: Score, *, instrument: str | int, n_samples: int, bank: int = 0, gain: float = 1.0
    ) -> np.ndarray:
        """Render a score with an instrument, a name of `PROGRAMS` or a number, or raise InputError if it is missing.

        Returns
        -------
        ndarray, shape (n_samples,), float32
            The same samples at every call; longer sounds are cut off, and shorter ones are followed by silence.
        """
        if n_samples < 1:
            raise UsageError(f"n_samples is {n_samples}; it must be 1 or more")
        rate = self.sample_rate * OVERSAMPLING
        with _Player(self.path, rate) as player:
            player.select(program(instrument), bank)
            channel = player.play(_events(score, rate), n_samples * OVERSAMPLING)
        return np.float32(gain) * resample.resample(channel, from_rate=rate, to_rate=self.sample_rate)

    def calibrated_gain(self, instrument: str | int, *, bank: int = 0) -> float:
        """Return the linear gain that brings an instrument to the common loudness, or raise InputError if it is silent.

        It gives a fixed chromatic phrase -20 dBFS RMS, or a peak of 0.55 where that is reached first (plucked
        instruments).
        """
        phrase = Score(tuple(Note(0.4 * i, 0.4, pitch, 90) for i, pitch in enumerate(range(58, 90))))
        x = self.render(phrase, instrument=instrument, bank=bank, n_samples=int(phrase.duration_s * self.sample_rate))
        rms, peak = float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))), float(np.abs(x).max())
        if peak == 0:
            raise InputError(f"program {instrument!r} of {self.path} is silent between MIDI 58 and 89")
        return min(TARGET_RMS / rms, PEAK_LIMIT / peak)


class _Player:
    """One FluidSynth synthesizer for one render.

    A synthesizer that has played before does not give the same samples again, because its voices keep state of earlier
    notes. A new one takes some 40 ms.
    """

    def __init__(self, path: Path, rate: int):
        fluidsynth = load_fluidsynth()
        self._path = path
        self._write = _write_float(fluidsynth)
        self._synth = fluidsynth.Synth(
            gain=1.0,
            samplerate=rate,
            **{"synth.reverb.active": 0, "synth.chorus.active": 0, "synth.dynamic-sample-loading": 1},
        )
        self._id = self._synth.sfload(str(path))
        if self._id < 0:
            self._synth.delete()
            raise InputError(f"{path} is not a SoundFont that FluidSynth can load; give another .sf2 file")
        arguments = {"synth": ctypes.c_void_p, "channel": ctypes.c_int, "method": ctypes.c_int}
        interpolate = _foreign_function(fluidsynth, "fluid_synth_set_interp_method", **arguments)
        interpolate(self._synth.synth, -1, SEVENTH_ORDER)

    def __enter__(self) -> _Player:
        return self

    def __exit__(self, *_) -> None:
        self._synth.delete()

    def select(self, number: int, bank: int) -> str:
        """Choose a program and return its name."""
        if self._synth.program_select(0, self._id, bank, number) != 0:
            raise InputError(
                f"{self._path} has no program {number} in bank {bank}; choose another instrument or SoundFont"
            )
        return self._synth.sfpreset_name(self._id, bank, number)

    def play(self, events: list[tuple[int, bool, Note]], n_samples: int) -> np.ndarray:
        """Play events and return the left channel, shape (n_samples,)."""
        stereo = np.zeros((2, n_samples), np.float32)
        position = 0
        for at, starts, note in events:
            if at >= n_samples:
                break
            self._advance(stereo, position, at)
            position = at
            if starts:
                self._synth.noteon(0, note.pitch, note.velocity)
            else:
                self._synth.noteoff(0, note.pitch)
        self._advance(stereo, position, n_samples)
        return stereo[0]

    def _advance(self, stereo: np.ndarray, start: int, end: int) -> None:
        if end == start:
            return
        left, right = stereo[0].ctypes.data, stereo[1].ctypes.data
        if self._write(self._synth.synth, end - start, left, start, 1, right, start, 1) != 0:
            raise InputError(f"FluidSynth failed while rendering with {self._path}")


def _events(score: Score, rate: int) -> list[tuple[int, bool, Note]]:
    """Return the starts and stops of all notes in order; at the same time a stop comes first."""
    starts = [(_block(note.onset_s, rate), True, note) for note in score.notes]
    stops = [(_block(note.end_s, rate), False, note) for note in score.notes]
    return sorted(starts + stops, key=lambda event: event[:2])


def _block(seconds: float, rate: int) -> int:
    """Return the nearest sample at which FluidSynth can act (1.3 ms apart at 48 kHz)."""
    return round(seconds * rate / BLOCK) * BLOCK


def load_fluidsynth():
    """Import and return pyfluidsynth, or raise UsageError if it or the FluidSynth library is missing."""
    try:
        # Where the environment has CI, it prints the library's path to stdout, into the output of --json for example.
        with contextlib.redirect_stdout(io.StringIO()):
            import fluidsynth
    except (ImportError, OSError) as error:
        raise UsageError(
            f"rendering needs pyfluidsynth and the FluidSynth library ({error}): "
            "pip install 'wavecore[data]' and, on Debian or Ubuntu, apt install libfluidsynth3"
        ) from error
    return fluidsynth


def _foreign_function(fluidsynth, name: str, **arguments: type):
    """Return a function of the FluidSynth library that pyfluidsynth does not wrap."""
    return fluidsynth.cfunc(name, ctypes.c_int, *((argument, kind, 1) for argument, kind in arguments.items()))


def _write_float(fluidsynth):
    """Return fluid_synth_write_float: no dither, no clipping at 16 bits."""
    address, integer = ctypes.c_void_p, ctypes.c_int
    left = {"left": address, "left_offset": integer, "left_step": integer}
    right = {"right": address, "right_offset": integer, "right_step": integer}
    return _foreign_function(fluidsynth, "fluid_synth_write_float", synth=address, len=integer, **left, **right)
