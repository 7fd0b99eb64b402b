"""The measures of a translation, fed with what should score well and what should not."""

from dataclasses import astuple

import numpy as np
import pytest
import torch

from wavecore import evaluate_translation as evaluation
from wavecore.errors import InputError, UsageError
from wavecore.models import checkpoint
from wavecore.models.encoders import EncoderConfig
from wavecore.models.translation import TranslationConfig, TranslationNetwork
from wavecore.models.wavenet import WaveNetConfig

RATE = 16_000


@pytest.fixture(scope="module")
def dataset(make_tunes, tmp_path_factory):
    return make_tunes(tmp_path_factory.mktemp("tunes") / "data")


@pytest.fixture(scope="module")
def clips(dataset):
    return evaluation.choose(dataset, "whistle", ["flute", "organ"], split="test", n_clips=9, seconds=9.0)


@pytest.fixture(scope="module")
def ear(dataset):
    return evaluation.fit_ear(dataset, seconds=1.5)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    encoder = EncoderConfig("cqt", 4, 160, channels=8, n_bins=96, fmin_hz=130.8)
    decoder = WaveNetConfig(1, 5, 2, 8, 8, 8, 16, latent_channels=4, hop_length=160)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = TranslationNetwork(TranslationConfig(("whistle", "flute", "organ"), ("flute", "organ"), encoder, decoder, classifier_channels=8))
        for each in network.decoders.values():
            torch.nn.init.normal_(each.output.weight, std=0.3)
    folder = tmp_path_factory.mktemp("models") / "m"
    checkpoint.save(network, folder, training={"data": {"level_db": -20.0, "midi_ranges": {}}})
    return checkpoint.load(folder)


def scores(clips, target, what):
    return evaluation.judge(clips, target, evaluation.instead(what, clips, ["flute", "organ"])[target], sample_rate=RATE)


def test_every_tune_is_taken_once_as_everybody_plays_it(dataset, clips, play_tune):
    assert [clip.name for clip in clips] == ["test0", "test1", "test3"]
    for clip, tune in zip(clips, (10, 11, 12), strict=True):
        np.testing.assert_allclose(clip.source, play_tune("whistle", tune), atol=0.01)
        assert list(clip.truth) == ["flute", "organ"]
        np.testing.assert_allclose(clip.truth["organ"], play_tune("organ", tune), atol=0.02)
    two = evaluation.choose(dataset, "organ", ["organ"], split="test", n_clips=2, seconds=0.5)
    assert [len(clip.source) for clip in two] == [8000, 8000] and np.array_equal(two[0].source, two[0].truth["organ"])


@pytest.mark.parametrize("target", ["flute", "organ"])
def test_the_truth_scores_as_truth(clips, ear, target):
    found = scores(clips, target, "truth")
    for score in found:
        assert score.raw_pitch_accuracy == 1 and score.pitch_jaccard == 0 and score.mel_distance == 0
        assert min(score.raw_chroma_accuracy, score.pitch_ncc, score.pitch_ncc_dtw) > 0.9
        assert score.source_mel_distance > 3
    said = [clip.truth[target] for clip in clips]
    assert ear.accuracy(said, target) == 1


def test_the_input_is_the_melody_and_not_the_target(clips, ear):
    for score in scores(clips, "organ", "source"):
        assert score.raw_chroma_accuracy == 1 and score.pitch_ncc == pytest.approx(1)
        # It stands an octave above.
        assert score.raw_pitch_accuracy < 0.05 and score.pitch_jaccard > 0.9
        assert score.mel_distance == score.source_mel_distance
    assert ear.accuracy([clip.source for clip in clips], "organ") == 0


def test_another_tune_has_the_timbre_and_not_the_melody(clips, ear):
    said = [clips[(i + 1) % 3].truth["organ"] for i in range(3)]
    assert ear.accuracy(said, "organ") == 1
    for score in evaluation.judge(clips, "organ", said, sample_rate=RATE):
        assert score.raw_pitch_accuracy < 0.6 and score.pitch_ncc < 0.9


@pytest.mark.parametrize("what", ["silence", "noise"])
def test_silence_and_noise_score_nothing(clips, ear, what):
    for score in scores(clips, "flute", what):
        assert max(score.raw_pitch_accuracy, score.raw_chroma_accuracy, score.pitch_ncc, score.pitch_ncc_dtw) < 0.2
        assert score.pitch_jaccard > 0.9 and score.mel_distance > score.source_mel_distance
    assert ear.accuracy(evaluation.instead(what, clips, ["flute"])["flute"], "flute") == 0


def test_noise_is_drawn_from_the_seed(clips):
    first, same, other = (evaluation.instead("noise", clips, ["flute"], seed=seed)["flute"][0] for seed in (1, 1, 2))
    assert np.array_equal(first, same) and not np.array_equal(first, other)
    with pytest.raises(UsageError, match="no 'music' to be judged instead; choose one of truth, source, silence, noise"):
        evaluation.instead("music", clips, ["flute"])


def test_a_pair_is_summed_up_by_medians(clips, ear):
    found = scores(clips, "organ", "source")
    pair = evaluation.summarise("whistle", "organ", found, [clip.source for clip in clips], ear)
    assert (pair["from"], pair["to"], len(pair["clips"])) == ("whistle", "organ", 3)
    distances = sorted(score.source_mel_distance for score in found)
    assert pair["source_mel_distance"] == distances[1] and pair["target_classifier_accuracy"] == 0
    assert all(np.isfinite(value) for value in astuple(found[0]))


def test_translations_are_as_long_as_the_clips_and_the_seed_s(model, clips):
    done = []
    first, again, other = (
        evaluation.translate(model, clips[:2], ["organ", "flute"], seed=seed, on_progress=lambda *steps: done.append(steps))
        for seed in (1, 1, 2)
    )
    assert list(first) == ["organ", "flute"] and done == [(1, 2), (2, 2)] * 3
    for target in first:
        assert [len(x) for x in first[target]] == [len(clip.source) for clip in clips[:2]]
        assert all(np.array_equal(a, b) for a, b in zip(first[target], again[target], strict=True))
    assert not np.array_equal(first["organ"][0], other["organ"][0])


def test_an_encoder_that_hears_the_timbre_is_found_out(model, dataset):
    found = evaluation.probe(model, dataset, "test")
    assert 0.5 < found <= 1  # it was never trained to forget it
    bits = evaluation.reconstruction_bits(model, dataset, "test", n_crops=2)
    assert 4 < bits < 16


def test_what_cannot_be_judged(dataset, make_tunes, tmp_path):
    with pytest.raises(UsageError, match="no domain kazoo; it has whistle, flute, organ"):
        evaluation.choose(dataset, "whistle", ["kazoo"], split="test", n_clips=2, seconds=1.0)
    unpaired = make_tunes(tmp_path / "unpaired", paired=False)
    with pytest.raises(UsageError, match="does not hold the same tunes in every domain"):
        evaluation.choose(unpaired, "whistle", ["flute"], split="test", n_clips=2, seconds=1.0)
    empty = make_tunes(tmp_path / "empty", tunes={"train": range(2), "valid": range(2, 4)})
    with pytest.raises(InputError, match="'test' of .* holds no tune in whistle and flute"):
        evaluation.choose(empty, "whistle", ["flute"], split="test", n_clips=2, seconds=1.0)
