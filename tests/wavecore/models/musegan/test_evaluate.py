"""Measures of rolls that were made to have them, the distance of phrases, and the evaluation beside the data."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore.datasets.songs import Piece, write_songs
from wavecore.models.musegan import evaluate as evaluation
from wavecore.models.musegan.config import MuseGANConfig
from wavecore.models.musegan.evaluate import count, distance, evaluate, measure
from wavecore.models.musegan.model import MuseGAN
from wavecore.models.musegan.rolls import Track
from wavecore.symbolic.song import Event, Part, Song


def empty(n=1, bars=2, steps=8, tracks=1):
    return np.zeros((n, bars, steps, 84, tracks), bool)


def measured(phrases, *, lowest=24, drums=None):
    return measure(phrases, lowest=lowest, beats=4, drums=drums or [False] * phrases.shape[-1])


def test_empty_bars():
    phrases = empty(n=2, tracks=2)
    phrases[0, 0, 3, 10, 0] = True
    np.testing.assert_allclose(measured(phrases).empty_bars, [3 / 4, 1])


def test_pitch_classes_of_bars_that_sound():
    phrases = empty()
    phrases[0, 0, :, [0, 12, 36], 0] = True  # three Cs
    phrases[0, 0, 5, 7, 0] = True
    assert measured(phrases).pitch_classes == [2], "the empty bar does not count"
    phrases[0, 1, 0, 4, 0] = True
    assert measured(phrases).pitch_classes == [1.5]
    assert np.isnan(measured(empty()).pitch_classes).all()


@pytest.mark.parametrize(("lowest", "n_pitches"), [(24, 84), (21, 13), (60, 48)])
def test_chroma_is_folded_by_octaves(lowest, n_pitches):
    folded = evaluation.fold(np.eye(n_pitches, dtype=bool), lowest=lowest)
    assert folded.argmax(axis=1).tolist() == [(lowest + p) % 12 for p in range(n_pitches)]
    assert (folded.sum(axis=1) == 1).all()
    chord = np.isin(np.arange(n_pitches), [0, 12])
    assert evaluation.fold(chord, lowest=lowest)[lowest % 12] == 2


def test_qualified_notes_last_a_32nd():
    phrases = empty(steps=96)
    for begin, length, pitch in ((0, 2, 5), (4, 3, 5), (10, 40, 6), (95, 2, 7)):  # the last goes on over the bar line
        phrases[0].reshape(192, 84, 1)[begin : begin + length, pitch] = True
    assert measured(phrases).qualified_notes == [2 / 4]
    assert sorted(evaluation.note_lengths(phrases[..., 0]).tolist()) == [2, 2, 3, 40]
    coarse, finer = empty(steps=16), empty(steps=64)
    coarse[0, 0, 0, 5, 0] = finer[0, 0, [0, 4, 5], 5, 0] = True
    assert measured(coarse).qualified_notes == [1], "no note is shorter than a step"
    assert measured(finer).qualified_notes == [1 / 2], "a 32nd is two steps of 16 to a beat"


def test_notes_do_not_go_on_in_another_phrase():
    phrases = empty(n=2, bars=1, steps=4)[..., 0]
    phrases[:, 0, :, 3] = True
    assert evaluation.note_lengths(phrases).tolist() == [4, 4]
    assert np.argwhere(evaluation.onsets(phrases)).tolist() == [[0, 0, 0, 3], [1, 0, 0, 3]]


@pytest.mark.parametrize(
    ("steps_per_beat", "weights"),
    [
        (24, [1, 0.1, 0, 0, 0, 0.1] * 4),
        (12, [1, 0.1, 0.1] * 4),
        (16, [1, 0.1, 0, 0.1] * 4),
        (8, [1, 0.1] * 4),
        (4, [1, 0.1] * 2),
        (6, [1, 0.1, 0.1] * 2),
        (9, [1, 0.1, 0.1] * 3),
        (1, [1]),
        (5, [1] * 5),
    ],
)
def test_the_pattern_of_drums(steps_per_beat, weights):
    for step, weight in enumerate(weights):
        roll = np.zeros((1, 1, 4 * steps_per_beat, 3), bool)
        roll[0, 0, step + steps_per_beat, 1] = True
        assert evaluation.drum_pattern(roll, steps_per_beat=steps_per_beat) == pytest.approx(weight)


def test_the_drum_pattern_is_a_share_of_strokes():
    phrases = empty(steps=96, tracks=2)
    phrases[0, 0, 0, [3, 9], 1] = phrases[0, 1, [7, 9], 3, 1] = True
    found = measured(phrases, drums=[False, True])
    np.testing.assert_allclose(found.drum_pattern, [np.nan, (1 + 1 + 0.1 + 0) / 4])
    assert np.isnan(found.pitch_classes).all() and np.isnan(found.tonal_distance).all()
    assert np.isnan(found.qualified_notes[1]) and np.isnan(measured(empty(), drums=[True]).drum_pattern).all()


def centroid(*classes):
    return evaluation.tonal_centroid(np.isin(np.arange(12), classes)[None].astype(float))[0]


def test_tonal_centroids_lie_on_their_circles():
    np.testing.assert_allclose(centroid(0), [0, 1, 0, 1, 0, 0.5], atol=1e-12)
    np.testing.assert_allclose(centroid(3), [-1, 0, 1, 0, 0, 0.5], atol=1e-12)
    apart = {n: np.linalg.norm(centroid(0) - centroid(n)) for n in range(1, 12)}
    assert apart[7] == pytest.approx(np.hypot(2 * np.sin(np.pi / 12), np.hypot(np.sqrt(2), np.sqrt(3) / 2)))
    assert all(apart[n] == pytest.approx(apart[12 - n]) for n in range(1, 12))
    assert min(apart[n] for n in (3, 4, 5)) < max(apart[1], apart[2], apart[6]) and max(apart, key=apart.get) == 6
    np.testing.assert_allclose(centroid(*range(12)), np.zeros(6), atol=1e-12)
    assert np.isnan(centroid()).all()


def test_tonal_distance_is_that_of_beats_in_which_both_sound():
    phrases = empty(bars=1, tracks=3)
    phrases[0, 0, 0, 0, 0] = phrases[0, 0, 1, 12 + 7, 1] = True  # C and G in the first beat
    phrases[0, 0, 2, 36, 0] = phrases[0, 0, 2:4, 0, 1] = True  # C and C in the second
    phrases[0, 0, 4, 6, 0] = True  # alone in the third
    found = measured(phrases).tonal_distance
    assert found[0, 1] == found[1, 0] == pytest.approx(np.linalg.norm(centroid(0) - centroid(7)) / 2)
    assert np.isnan(found[[0, 1, 2, 0], [0, 1, 2, 2]]).all()
    np.testing.assert_allclose(measured(phrases, lowest=29).tonal_distance[0, 1], found[0, 1])
    longer = empty(bars=1, tracks=2)
    longer[0, 0, 0, 0, :] = longer[0, 0, 0:2, 4, 0] = True  # E sounds twice as long as C
    expected = np.linalg.norm((centroid(0) + 2 * centroid(4)) / 3 - centroid(0))
    assert measured(longer).tonal_distance[0, 1] == pytest.approx(expected)


TINY = MuseGANConfig((Track("a"), Track("b"), Track("kit", 0, True)), steps=4, lowest=60, n_pitches=24)


def phrases_of(rng, n=200):
    """Phrases of two bars of four steps: a note of a step in each of two tracks, a third apart, and strokes."""
    phrases = np.zeros((n, *TINY.shape), bool)
    for bar in phrases.reshape(-1, *TINY.shape[1:]):
        step, pitch = rng.integers(4), rng.choice([0, 4, 7])
        bar[step, pitch, 0] = bar[step, pitch + 4, 1] = bar[0, 20, 2] = True
    return phrases


def test_the_counts():
    one = np.zeros((1, *TINY.shape), bool)
    one[0, 0, 2:, 0, 0] = one[0, 1, 0, 0, 0] = True  # three steps over the bar line
    one[0, 0, 2, 3, 1] = one[0, 1, 0, 14, 1] = True
    one[0, :, :2, 5, 2] = True
    counts = count(one, lowest=60, drums=TINY.drums)
    found = {name: {int(i): int(each[i]) for i in np.flatnonzero(each)} for name, each in counts.items()}
    assert found["pitch/0"] == {0: 1} and found["pitch/1"] == {3: 1, 14: 1} and found["pitch/2"] == {5: 4}
    assert found["step/0"] == {2: 1} and found["step/2"] == {0: 2, 1: 2}, "of drums every cell is a stroke"
    assert found["voices/0"] == {0: 5, 1: 3} and found["length/0"] == {2: 1} and found["length/1"] == {0: 2}
    assert found["classes/0"] == {1: 2} and found["kept/2"] == {4: 1} and found["kept/1"] == {0: 1}
    assert found["interval/0/1"] == {3: 1, 2: 1}, "pitch classes, octaves folded"
    assert not {"length/2", "classes/2", "interval/0/2"} & set(found)


def test_a_set_is_at_no_distance_from_itself_and_near_its_like():
    rng = np.random.default_rng(0)
    one, like, silent = phrases_of(rng), phrases_of(rng), np.zeros((3, *TINY.shape), bool)
    assert distance(one, one, TINY) == distance(silent, silent, TINY) == 0
    assert 0 < distance(one, like, TINY) < 0.02
    assert distance(one, like, TINY) == pytest.approx(distance(like, one, TINY))


@pytest.mark.parametrize(
    "change",
    [
        lambda phrases: np.roll(phrases, 1, axis=3),  # pitches
        lambda phrases: np.roll(phrases, 1, axis=2),  # times
        lambda phrases: np.stack(
            [phrases[..., 0], np.roll(phrases[..., 1], 1, axis=2), phrases[..., 2]], axis=-1
        ),  # chords
        lambda phrases: phrases | np.roll(phrases, 1, axis=2),  # durations
        lambda phrases: phrases | np.roll(phrases, 5, axis=3),  # voices
        lambda phrases: np.repeat(phrases[:, :1], 2, axis=1),  # bars that are the same
        lambda phrases: np.repeat(phrases[:1], len(phrases), axis=0),  # one phrase for all
        lambda phrases: phrases & False,
    ],
)
def test_different_phrases_are_farther_away(change):
    rng = np.random.default_rng(0)
    one, like = phrases_of(rng), phrases_of(rng)
    assert distance(one, change(like), TINY) > 2 * distance(one, like, TINY) + 0.01


CONFIG = MuseGANConfig(
    (Track("high"), Track("low"), Track("kit", 0, True)),
    bars=2,
    steps=16,
    lowest=48,
    n_pitches=24,
    noise=4,
    channels=8,
    critic_channels=4,
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Pieces of four notes a bar; those to test are the first one of training a tone higher, and one that is new."""

    def piece(name, pitches):
        high, low = (tuple(Event(n, pitch + shift, 1) for n, pitch in enumerate(pitches)) for shift in (7, 0))
        kit = tuple(Event(4 * bar, 50, 1) for bar in range(len(pitches) // 4))
        return Piece(Song(1, (Part(high, "high"), Part(low, "low"), Part(kit, "kit", 0, True)), name=name), "s")

    tune = [50, 52, 54, 55] + [57, 55, 54, 52] + [50, 54, 57, 54]
    pieces = {
        "train": [piece("one", tune), piece("two", tune[::-1])],
        "valid": [piece("valid", tune)],
        "test": [piece("copy", [pitch + 2 for pitch in tune]), piece("new", [48, 60, 48, 61] * 3)],
    }
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces)


def build(*, bias=0.0, **changes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = MuseGAN(replace(CONFIG, **changes)).eval()
    for generator in network.generator.bars:
        torch.nn.init.constant_(generator.layers[-1].convolution.bias, bias)
    return network


def test_data_and_samples_are_measured(dataset):
    calls = []
    found = evaluate(build(), dataset, seed=0, on_progress=lambda *done: calls.append(done))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["split"], found["n_phrases"], found["binarise"]) == ("test", 4, "threshold") and calls == [(4, 4)]
    data, samples = found["data"], found["samples"]
    names = {"tracks", "tonal_distance", "distance", "overlap", "distinct_bars", "copied_bars", "copied_stretches"}
    assert set(data) == set(samples) == names
    # Phrases overlap: of the first piece bars 1, 2, 2, 3 with 4, 4, 4, 3 classes; every bar of the second has 2.
    classes = (4 + 4 + 4 + 3 + 4 * 2) / 8
    high = {"empty_bars": 0.0, "pitch_classes": classes, "qualified_notes": 1.0, "drum_pattern": None}
    kit = {"empty_bars": 0.0, "pitch_classes": None, "qualified_notes": None, "drum_pattern": 1.0}
    assert (data["tracks"]["high"], data["tracks"]["kit"]) == (high, kit)
    assert set(data["tonal_distance"]) == {"high/low", "high/kit", "low/kit"}
    assert data["tonal_distance"]["high/kit"] is None and 0 < data["distance"] < samples["distance"] <= 1
    assert evaluate(build(), dataset, seed=0) == found != evaluate(build(), dataset, seed=1)
    # Of two pieces of two phrases each, one is a transposed copy; of the other every bar is the same.
    assert data["copied_bars"] == 0.5 and data["distinct_bars"] == pytest.approx(4 / 8)
    assert data["copied_stretches"] is None, "phrases of eight notes have no stretch of eight moves"


def test_copied_stretches_are_found_by_intervals_and_times(dataset, monkeypatch):
    monkeypatch.setattr(evaluation, "GRAM", 3)
    assert evaluate(build(), dataset, seed=0)["data"]["copied_stretches"] == 0.5


def test_the_given_track_is_that_of_the_held_out_phrases(dataset):
    found = evaluate(build(given="low"), dataset, seed=0, split="valid", n_phrases=1, method="bernoulli")
    data, samples = found["data"]["tracks"], found["samples"]["tracks"]
    assert found["n_phrases"] == 1 and samples["low"] == data["low"] and samples["high"] != data["high"]


def test_a_silent_network_is_measured(dataset):
    samples = evaluate(build(bias=-9.0), dataset, seed=0)["samples"]
    assert samples["tracks"]["high"]["empty_bars"] == 1 and samples["copied_bars"] is None and samples["distance"] > 0.8
    assert all(value is None for value in samples["overlap"].values())
