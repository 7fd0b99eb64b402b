import json

import numpy as np
import pytest

from wavecore import checkpoint
from wavecore.audio import files

RATE = 16_000


@pytest.fixture
def pair(tmp_path):
    """Two notes, one of them at another rate, in stereo, after a silence."""
    t = np.arange(6400) / RATE
    files.write(tmp_path / "a.wav", (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32), RATE)
    t = np.arange(17_640) / 44_100
    x = (0.1 * np.sin(2 * np.pi * 660 * t) * (t > 0.1)).astype(np.float32)
    files.write(tmp_path / "b.wav", np.stack([x, x], axis=1), 44_100)
    return tmp_path / "a.wav", tmp_path / "b.wav"


@pytest.fixture
def interpolate(cli, nsynth_model):
    return lambda *words: cli("interpolate", *words, "--model", nsynth_model, "--seed", "3", "--seconds", "0.4")


def test_the_way_between_two_sounds(interpolate, pair, tmp_path):
    done = interpolate(*pair, "--steps", "3", "--mix", "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    names = [f"a-{100 - w:03d}__b-{w:03d}" for w in (0, 50, 100)]
    sheet = "a__b__rainbowgrams.png"
    wanted = [f"{name}{kind}.wav" for name in names for kind in ("", "__plain-mix")] + [sheet, f"{sheet}.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(wanted)
    found = json.loads(done.out)
    assert found["seed"] == 3 and [row["weights"] for row in found["outputs"]] == [[1, 0], [0.5, 0.5], [0, 1]]
    levels = [row["level_db"] for row in found["outputs"]]
    assert max(levels) - min(levels) < 1.5, "loudness does not jump on the way"
    for name in names:
        x, rate = files.read(tmp_path / "out" / f"{name}.wav")
        assert rate == RATE and 0.35 * RATE < len(x) < 0.45 * RATE
        assert x[0] == 0 and abs(x[-1]) < 1e-3 and np.abs(x).max() < 1
    again = json.loads((tmp_path / "out" / f"{sheet}.json").read_text())
    assert again["outputs"] == found["outputs"] and again["model_sha256"] == found["model_sha256"]


def test_mixes_of_three_and_other_lengths(interpolate, pair, tmp_path):
    a, b = pair
    (tmp_path / "c.wav").write_bytes(a.read_bytes())
    done = interpolate(
        a,
        b,
        tmp_path / "c.wav",
        "--weights",
        "2,1,1:0,1,0",
        "--method",
        "slerp",
        "--stretch",
        "2",
        "-o",
        tmp_path / "o",
    )
    assert done.code == 0, done.err
    assert files.probe(tmp_path / "o" / "a-050__b-025__c-025.wav").frames == pytest.approx(0.8 * RATE, abs=1100)
    assert (tmp_path / "o" / "a-000__b-100__c-000.wav").is_file()


def test_one_sound_that_changes_on_the_way(interpolate, pair, tmp_path):
    done = interpolate(*pair, "--morph", "--mix", "-o", tmp_path / "o", "--json")
    assert done.code == 0, done.err
    names = ["a__b__morph.png", "a__b__morph.png.json", "a__to__b.wav", "a__to__b__plain-mix.wav"]
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == names
    (row,) = json.loads(done.out)["outputs"]
    assert row["weights"] == [[0, [1, 0]], [0.4, [0, 1]]]
    plain = files.read(tmp_path / "o" / "a__to__b__plain-mix.wav")[0].reshape(-1)
    spectra = [np.abs(np.fft.rfft(part, RATE)) for part in (plain[400:2000], plain[4400:6000])]
    assert spectra[0][440] > 3 * spectra[0][660] and spectra[1][660] > 1.5 * spectra[1][440]
    done = interpolate(*pair, "--morph", "0=1,0:0.2=1,1,1", "-o", tmp_path / "p")
    assert done.code == 2 and "3 weights for 2 sounds" in done.err


def test_a_description_names_pitch_and_family(interpolate, pair, tmp_path, ear, monkeypatch):
    monkeypatch.setattr("wavecore.checkpoint.PRETRAINED", ear.parent)
    done = interpolate(*pair, "--steps", "2", "--mix", "--describe", "-o", tmp_path / "o", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)["outputs"]
    for row in found:
        for key in ("heard", "plain_mix_heard"):
            assert 0 <= row[key]["pitch"] < 128 and sum(row[key]["families"].values()) == pytest.approx(1)
    assert found[0]["plain_mix_heard"]["series"]["share"] > 0.95
    said = interpolate(*pair, "--steps", "2", "--describe", "-o", tmp_path / "q").out
    assert "a-100__b-000: MIDI" in said and "one pitch has" in said


def test_nothing_is_overwritten_unasked(interpolate, pair, tmp_path):
    assert interpolate(*pair, "--steps", "2", "-o", tmp_path).code == 0
    before = (tmp_path / "a-100__b-000.wav").read_bytes()
    done = interpolate(*pair, "--steps", "2", "-o", tmp_path)
    assert done.code == 6 and "a-100__b-000.wav" in done.err
    assert interpolate(*pair, "--steps", "2", "-o", tmp_path, "--overwrite").code == 0
    assert (tmp_path / "a-100__b-000.wav").read_bytes() == before, "the same seed, the same sound"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--steps", "1"], 2, "1 steps"),
        (["--weights", "1,2,3"], 2, "3 weights for 2 sounds"),
        (["--weights", "1,x"], 2, "are no weights"),
        (["--weights", "0,0"], 2, "not all zero"),
        (["--weights", "1,1", "--steps", "3"], 2, "not allowed with"),
        (["--stretch", "0"], 2, "--stretch must be"),
        (["--method", "cubic"], 2, "invalid choice"),
    ],
)
def test_misuse(interpolate, pair, tmp_path, words, code, message):
    done = interpolate(*pair, *words, "-o", tmp_path / "out")
    assert done.code == code and message in done.err
    assert not (tmp_path / "out").exists()


def test_inputs_that_cannot_be_used(interpolate, cli, pair, model, tmp_path):
    assert interpolate(pair[0]).code == 2
    files.write(tmp_path / "silent.wav", np.zeros(4000, np.float32), RATE)
    done = interpolate(pair[0], tmp_path / "silent.wav", "-o", tmp_path / "out")
    assert done.code == 3 and "silent.wav is silent" in done.err
    assert interpolate(pair[0], tmp_path / "missing.wav", "-o", tmp_path / "out").code == 3
    done = cli("interpolate", *pair, "--model", model)
    assert done.code == 4 and "not 'nsynth'" in done.err


def test_a_pitch_that_was_never_learned_is_told(cli, pair, nsynth_model, tmp_path):
    model = checkpoint.load(nsynth_model, kind="nsynth")
    checkpoint.save(model.network, tmp_path / "high", training={"data": {"midi_range": [75, 90], "level_db": -15.0}})
    words = ("--model", tmp_path / "high", "--seed", "3", "--seconds", "0.4", "--steps", "2", "-o", tmp_path / "o")
    done = cli("interpolate", *pair, *words, "-q")
    assert done.code == 0, done.err
    assert "a.wav sounds at MIDI 69; high has learned 75 to 90" in done.err and "b.wav sounds" not in done.err


def test_without_a_model_the_missing_one_is_named(cli, pair, monkeypatch, tmp_path):
    monkeypatch.setattr("wavecore.checkpoint.PRETRAINED", tmp_path)
    done = cli("interpolate", *pair)
    assert done.code == 4 and "no nsynth model is shipped" in done.err and "wavecore train nsynth" in done.err
