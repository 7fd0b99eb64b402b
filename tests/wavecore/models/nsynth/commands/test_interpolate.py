import json

import numpy as np
import pytest

from wavecore import checkpoint
from wavecore.audio import files

RATE = 16_000


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two notes, one of them at another rate, in stereo, after a silence."""
    folder, t = tmp_path_factory.mktemp("pair"), np.arange(6400) / RATE
    files.write(folder / "a.wav", (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32), RATE)
    t = np.arange(17_640) / 44_100
    x = (0.1 * np.sin(2 * np.pi * 660 * t) * (t > 0.1)).astype(np.float32)
    files.write(folder / "b.wav", np.stack([x, x], axis=1), 44_100)
    return folder / "a.wav", folder / "b.wav"


@pytest.fixture
def interpolate(cli, nsynth_model):
    return lambda *words: cli("interpolate", *words, "--model", nsynth_model, "--seed", "3", "--seconds", "0.4")


@pytest.mark.slow
def test_steps_between_two_sounds(interpolate, pair, tmp_path):
    done = interpolate(*pair, "--steps", "3", "--mix", "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    names = [f"a-{100 - w:03d}__b-{w:03d}" for w in (0, 50, 100)]
    sheet = "a__b__rainbowgrams.png"
    expected = [f"{name}{kind}.wav" for name in names for kind in ("", "__plain-mix")] + [sheet, f"{sheet}.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(expected)
    document = json.loads(done.out)
    assert document["seed"] == 3 and [row["weights"] for row in document["outputs"]] == [[1, 0], [0.5, 0.5], [0, 1]]
    levels = [row["level_db"] for row in document["outputs"]]
    assert max(levels) - min(levels) < 1.5, "all steps have one level"
    for name in names:
        x, rate = files.read(tmp_path / "out" / f"{name}.wav")
        assert rate == RATE and 0.35 * RATE < len(x) < 0.45 * RATE
        assert x[0] == 0 and abs(x[-1]) < 1e-3 and np.abs(x).max() < 1
    assert json.loads((tmp_path / "out" / f"{sheet}.json").read_text()) == document
    again = interpolate(*pair, "--steps", "3", "-o", tmp_path / "out")
    assert again.code == 6 and f"{names[0]}.wav" in again.err


@pytest.mark.slow
def test_mixes_of_three_and_other_lengths(interpolate, pair, tmp_path):
    (tmp_path / "c.wav").write_bytes(pair[0].read_bytes())
    words = ("--weights", "2,1,1:0,1,0", "--method", "slerp", "--stretch", "2", "-o", tmp_path / "o")
    done = interpolate(*pair, tmp_path / "c.wav", *words)
    assert done.code == 0, done.err
    assert files.probe(tmp_path / "o" / "a-050__b-025__c-025.wav").frames == pytest.approx(0.8 * RATE, abs=1100)
    assert (tmp_path / "o" / "a-000__b-100__c-000.wav").is_file()


@pytest.mark.slow
def test_one_sound_that_changes_over_time(interpolate, pair, tmp_path):
    done = interpolate(*pair, "--morph", "--mix", "-o", tmp_path / "o", "--json")
    assert done.code == 0, done.err
    names = ["a__b__morph.png", "a__b__morph.png.json", "a__to__b.wav", "a__to__b__plain-mix.wav"]
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == names
    (row,) = json.loads(done.out)["outputs"]
    assert row["weights"] == [[0, [1, 0]], [0.4, [0, 1]]]
    plain = files.read(tmp_path / "o" / "a__to__b__plain-mix.wav")[0].reshape(-1)
    spectra = [np.abs(np.fft.rfft(part, RATE)) for part in (plain[400:2000], plain[4400:6000])]
    assert spectra[0][440] > 3 * spectra[0][660] and spectra[1][660] > 1.5 * spectra[1][440]


@pytest.mark.slow
def test_a_description_holds_pitch_and_family(interpolate, pair, tmp_path, ear, monkeypatch):
    monkeypatch.setattr("wavecore.checkpoint.PRETRAINED", ear.parent)
    words = ("interpolate", *pair, "--steps", "2", "--mix", "--describe", "-o", tmp_path / "o")
    done = interpolate(*words[1:], "--json")
    assert done.code == 0, done.err
    outputs = json.loads(done.out)["outputs"]
    for row in outputs:
        for key in ("heard", "plain_mix_heard"):
            assert 0 <= row[key]["pitch"] < 128 and sum(row[key]["families"].values()) == pytest.approx(1)
    assert outputs[0]["plain_mix_heard"]["series"]["share"] > 0.95
    text = interpolate(*words[1:], "--overwrite").out
    assert f"MIDI {outputs[0]['heard']['pitch']} " in text


@pytest.mark.parametrize(
    ("words", "offending"),
    [
        (["--steps", "1"], "1"),
        (["--weights", "1,2,3"], "3 weights"),
        (["--weights", "1,x"], "1,x"),
        (["--weights", "1,1", "--steps", "3"], "--steps"),
        (["--morph", "0=1,0:0.2=1,1,1"], "3 weights"),
        (["--stretch", "0"], "--stretch"),
        (["--method", "cubic"], "cubic"),
    ],
)
def test_misuse(interpolate, pair, tmp_path, words, offending):
    done = interpolate(*pair, *words, "-o", tmp_path / "out")
    assert done.code == 2 and offending in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_inputs_that_cannot_be_used(interpolate, cli, pair, model, tmp_path, monkeypatch):
    assert interpolate(pair[0]).code == 2
    files.write(tmp_path / "quiet.wav", np.zeros(4000, np.float32), RATE)
    for name in ("quiet.wav", "missing.wav"):
        done = interpolate(pair[0], tmp_path / name, "-o", tmp_path / "out")
        assert done.code == 3 and name in done.err
    assert cli("interpolate", *pair, "--seconds", "99").code == 2
    assert cli("interpolate", *pair, "--model", model).code == 4
    monkeypatch.setattr("wavecore.checkpoint.PRETRAINED", tmp_path)
    done = cli("interpolate", *pair)
    assert done.code == 4 and "wavecore train nsynth" in done.err


@pytest.mark.slow
def test_a_pitch_outside_of_the_training_range_is_warned_of(cli, pair, nsynth_model, tmp_path):
    network = checkpoint.load(nsynth_model, kind="nsynth").network
    checkpoint.save(network, tmp_path / "high", training={"data": {"midi_range": [75, 90], "level_db": -15.0}})
    words = ("--model", tmp_path / "high", "--seed", "3", "--seconds", "0.4", "--steps", "2", "-o", tmp_path / "o")
    done = cli("interpolate", *pair, *words, "-q")
    assert done.code == 0, done.err
    assert "a.wav has the pitch MIDI 69" in done.err and "75 to 90" in done.err and "b.wav" not in done.err
