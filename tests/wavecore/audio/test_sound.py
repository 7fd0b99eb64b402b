"""Sounds: unpacking, validation, files, and the player of a notebook."""

import base64
import io
import wave
from xml.etree import ElementTree

import numpy as np
import pytest

from wavecore.audio import files
from wavecore.audio.sound import WIDTH, Sound
from wavecore.errors import InputError, OutputExistsError, UsageError

SINE = (0.5 * np.sin(np.arange(16_000) / 7)).astype(np.float32)


def played(sound):
    """The elements of the displayed sound, and the codes and the rate of its player."""
    root = ElementTree.fromstring(sound._repr_html_())
    kind, data = root.find("audio").get("src").split(",")
    assert kind == "data:audio/wav;base64" and root.find("audio").get("controls")
    with wave.open(io.BytesIO(base64.b64decode(data))) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return root, np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()


def test_unpacking():
    sound = Sound(SINE, 8_000)
    y, rate = sound
    assert y is sound.samples and rate == 8_000 and sound.duration_s == 2.0 and sound.info == {}


def test_other_floating_point_types_are_converted():
    assert Sound(SINE.astype(np.float64), 8_000).samples.dtype == np.float32


@pytest.mark.parametrize(
    ("samples", "rate", "error", "match"),
    [
        (np.zeros((2, 5), np.float32), 8_000, InputError, r"\(2, 5\)"),
        (np.zeros(5, np.int16), 8_000, InputError, "int16"),
        (np.array([0, np.nan], np.float32), 8_000, InputError, "index 1"),
        (np.zeros(0, np.float32), 8_000, InputError, "empty"),
        (SINE, 0, UsageError, "0"),
        (SINE, 8_000.5, UsageError, r"8000\.5"),
    ],
)
def test_invalid_sounds(samples, rate, error, match):
    with pytest.raises(error, match=match):
        Sound(samples, rate)


def test_repr():
    info = {"seed": 3, "octave_shift": -1, "temperature": np.float32(0.5), "model_sha256": "ab12", "weights": [1, 2]}
    plain = f"1.00 s, 16000 Hz, peak {20 * np.log10(np.abs(SINE).max()):.1f} dB"
    assert repr(Sound(SINE, 16_000)) == f"Sound({plain})"
    assert repr(Sound(SINE, 16_000, info)) == f"Sound({plain}, seed 3, octave shift -1, temperature 0.5)"
    assert repr(Sound(np.zeros(80, np.float32), 8_000)) == "Sound(0.01 s, 8000 Hz, silent)"


def test_write(tmp_path):
    sound = Sound(SINE, 16_000)
    assert sound.write(tmp_path / "a.flac").n_over == 0
    samples, rate = files.read(tmp_path / "a.flac")
    assert rate == 16_000 and np.abs(samples - SINE).max() < 2**-15
    with pytest.raises(OutputExistsError, match=r"a\.flac"):
        sound.write(tmp_path / "a.flac")
    assert Sound(3 * SINE, 16_000).write(tmp_path / "a.flac", overwrite=True).n_over > 0


def test_player_holds_the_samples_unscaled(tmp_path):
    sound = Sound(SINE, 11_025, {"seed": 5})
    root, codes, rate = played(sound)
    sound.write(tmp_path / "a.wav")
    assert rate == 11_025 and np.array_equal(codes / 32768, files.read(tmp_path / "a.wav")[0])
    assert root.find("figcaption").text == repr(sound)


def test_clipped_samples_are_reported():
    root, codes, _ = played(Sound(np.array([0.5, -1.5, 2.0, -1.0], np.float32), 8_000))
    assert codes.tolist() == [16384, -32768, 32767, -32768]
    assert "2 samples are clipped" in root.find("figcaption").text


@pytest.mark.parametrize("n_samples", [1, 599, 600, 100_000])
def test_waveform_has_a_bounded_size(n_samples):
    root, _, _ = played(Sound(np.resize(SINE, n_samples), 8_000))
    svg = "{http://www.w3.org/2000/svg}"
    path = root.find(f"{svg}svg/{svg}path").get("d")
    assert path.count("M") == min(n_samples, WIDTH) and root.find(f"{svg}svg/{svg}title").text


def test_info_is_escaped():
    sound = Sound(SINE, 8_000, {"domain": "<b>&"})
    assert "<b>" not in sound._repr_html_() and played(sound)[0].find("figcaption").text == repr(sound)
