"""Sounds as the commands read them."""

import numpy as np
import pytest

from wavecore.audio import files
from wavecore.console.console import Console
from wavecore.errors import InputError, UsageError
from wavecore.models.nsynth.commands import inputs

RATE = 16_000


@pytest.fixture(scope="module")
def model(nsynth_model):
    return inputs.open_model(str(nsynth_model), Console(mute=True))


@pytest.mark.slow
def test_a_note_begins_with_its_sound_at_the_model_s_rate(model, tmp_path):
    t = np.arange(44_100) / 44_100
    x = (0.1 * np.sin(2 * np.pi * 660 * t) * (t > 0.5)).astype(np.float32)
    files.write(tmp_path / "a.wav", np.stack([x, x], axis=1), 44_100)
    note = inputs.read_note(tmp_path / "a.wav", model, 0.3, Console(mute=True))
    assert note.shape == (0.3 * RATE,) and note.dtype == np.float32
    assert np.abs(note[:140]).max() < 0.01 and np.abs(note[200:400]).max() > 0.05  # 10 ms before the onset


def test_silence_is_refused(model, tmp_path):
    files.write(tmp_path / "quiet.wav", np.zeros(4000, np.float32), RATE)
    with pytest.raises(InputError, match="quiet.wav"):
        inputs.read_note(tmp_path / "quiet.wav", model, 1.0, Console(mute=True))


@pytest.mark.parametrize("seconds", [0.05, 61, float("nan")])
def test_lengths_out_of_range_are_refused(seconds):
    with pytest.raises(UsageError, match=str(seconds)):
        inputs.check_seconds(seconds)
