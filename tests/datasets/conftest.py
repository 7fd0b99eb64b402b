"""Some notes with random sound, for all that reads and writes NSynth's layout."""

from __future__ import annotations

import numpy as np
import pytest

from wavecore.datasets.nsynth import note as nsynth_note
from wavecore.datasets.synths import soundfont
from wavecore.errors import InputError, UsageError


@pytest.fixture(scope="session")
def items() -> list[tuple[nsynth_note.Note, np.ndarray]]:
    """Six notes of three instruments, sorted by name, with int16 samples of full range."""
    rng = np.random.default_rng(0)
    found = []
    for number, (family, source) in enumerate(
        [("bass", "electronic"), ("flute", "acoustic"), ("synth_lead", "synthetic")]
    ):
        for pitch in (48, 60):
            qualities = tuple(int(bit) for bit in rng.integers(0, 2, 10)) if number else (0,) * 10
            note = nsynth_note.make(
                note=len(found), instrument=number, number=7, family=family, source=source, pitch=pitch,
                velocity=100, qualities=qualities,
            )  # fmt: skip
            samples = rng.integers(-32768, 32768, nsynth_note.N_SAMPLES).astype(np.int16)
            found.append((note, samples))
    return sorted(found, key=lambda item: item[0].note_str)


@pytest.fixture(scope="session")
def sounds() -> soundfont.SoundFont:
    """FluidR3 GM, where it and FluidSynth are installed."""
    try:
        return soundfont.SoundFont()
    except (InputError, UsageError) as error:
        pytest.skip(str(error))
