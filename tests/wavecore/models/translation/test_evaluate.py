"""The measures of a translation, fed with what should score well and what should not."""

from dataclasses import astuple, replace

import numpy as np
import pytest
import torch

import wavecore
from wavecore import checkpoint
from wavecore.errors import InputError, UsageError
from wavecore.metrics import probe
from wavecore.models.translation import evaluate as evaluation
from wavecore.models.translation.config import TranslationConfig
from wavecore.models.translation.model import TranslationNetwork
from wavecore.nn.config import EncoderConfig, WaveNetConfig

RATE = 16_000


@pytest.fixture(autouse=True)
def small_probes(monkeypatch):
    """Let probe and judge be fitted to less, which these facts do not need."""
    for name, number in (("PROBE_TRAINING", 40), ("PROBE_TEST", 20), ("JUDGE_CLIPS", 20)):
        monkeypatch.setattr(evaluation, name, number)
    monkeypatch.setattr(probe, "STEPS", 300)


@pytest.fixture(scope="module")
def judge(tunes):
    return evaluation.fit_judge(tunes, seconds=1.5)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    encoder = EncoderConfig("cqt", 4, 160, channels=8, n_bins=96, fmin_hz=130.8)
    decoder = WaveNetConfig(1, 5, 2, 8, 8, 8, 16, latent_channels=4, hop_length=160)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = TranslationNetwork(
            TranslationConfig(
                ("whistle", "flute", "organ"), ("flute", "organ"), encoder, decoder, classifier_channels=8
            )
        )
        for each in network.decoders.values():
            torch.nn.init.normal_(each.output.weight, std=0.3)
    folder = tmp_path_factory.mktemp("models") / "m"
    checkpoint.save(network, folder, training={"data": {"level_db": -20.0, "midi_ranges": {}}})
    return wavecore.load(folder)


def scores(clips, target, what):
    return evaluation.score(
        clips, target, evaluation.substitute(what, clips, ["flute", "organ"])[target], sample_rate=RATE
    )


@pytest.mark.slow
@pytest.mark.parametrize("target", ["flute", "organ"])
def test_the_truth_scores_as_truth(clips, judge, target):
    found = scores(clips, target, "truth")
    for score in found:
        assert score.raw_pitch_accuracy == 1 and score.pitch_jaccard == 0 and score.mel_distance == 0
        assert min(score.raw_chroma_accuracy, score.pitch_ncc, score.pitch_ncc_dtw) > 0.9
        assert score.source_mel_distance > 3
    outputs = [clip.truth[target] for clip in clips]
    assert judge.accuracy(outputs, target) == 1


@pytest.mark.slow
def test_the_input_is_the_melody_and_not_the_target(clips, judge):
    for score in scores(clips, "organ", "source"):
        assert score.raw_chroma_accuracy == 1 and score.pitch_ncc == pytest.approx(1)
        # It stands an octave above.
        assert score.raw_pitch_accuracy < 0.05 and score.pitch_jaccard > 0.9
        assert score.mel_distance == score.source_mel_distance
    assert judge.accuracy([clip.source for clip in clips], "organ") == 0


@pytest.mark.slow
def test_another_tune_has_the_timbre_and_not_the_melody(clips, judge):
    outputs = [clips[(i + 1) % 3].truth["organ"] for i in range(3)]
    assert judge.accuracy(outputs, "organ") == 1
    for score in evaluation.score(clips, "organ", outputs, sample_rate=RATE):
        assert score.raw_pitch_accuracy < 0.6 and score.pitch_ncc < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("what", ["silence", "noise"])
def test_silence_and_noise_score_nothing(clips, judge, what):
    for score in scores(clips, "flute", what):
        assert max(score.raw_pitch_accuracy, score.raw_chroma_accuracy, score.pitch_ncc, score.pitch_ncc_dtw) < 0.2
        assert score.pitch_jaccard > 0.9 and score.mel_distance > score.source_mel_distance
    assert judge.accuracy(evaluation.substitute(what, clips, ["flute"])["flute"], "flute") == 0


@pytest.mark.slow
def test_a_pair_is_summed_up_by_medians(clips, judge):
    found = scores(clips, "organ", "source")
    pair = evaluation.summarise("whistle", "organ", found, [clip.source for clip in clips], judge)
    assert (pair["from"], pair["to"], len(pair["clips"])) == ("whistle", "organ", 3)
    distances = sorted(score.source_mel_distance for score in found)
    assert pair["source_mel_distance"] == distances[1] and pair["target_classifier_accuracy"] == 0
    assert all(np.isfinite(value) for value in astuple(found[0]) if value is not None)


@pytest.mark.slow
def test_translations_are_as_long_as_the_clips_and_the_seed_s(model, clips):
    done = []
    first, again, other = (
        evaluation.translate(
            model, clips[:2], ["organ", "flute"], seed=seed, on_progress=lambda *steps: done.append(steps)
        )
        for seed in (1, 1, 2)
    )
    assert list(first) == ["organ", "flute"] and done == [(1, 2), (2, 2)] * 3
    for target in first:
        assert [len(x) for x in first[target]] == [len(clip.source) for clip in clips[:2]]
        assert all(np.array_equal(a, b) for a, b in zip(first[target], again[target], strict=True))
    assert not np.array_equal(first["organ"][0], other["organ"][0])


@pytest.mark.slow
def test_the_probe_finds_the_timbre_in_an_untrained_encoder(model, tunes):
    found = evaluation.probe(model, tunes, "test")
    assert 0.5 < found <= 1
    bits = evaluation.reconstruction_bits(model, tunes, "test", n_crops=2)
    assert 4 < bits < 16


@pytest.mark.slow
def test_domains_that_the_data_lack_are_left_out(model, tunes):
    """As where a person's own was added."""
    config = model.network.config
    wider = replace(config, domains=("cello", *config.domains), targets=("cello", *config.targets))
    network = TranslationNetwork(wider).eval()
    state = {name: tensor for name, tensor in model.network.state_dict().items() if not name.startswith("classifier.")}
    network.load_state_dict(state, strict=False)
    added = replace(model, network=network)
    assert evaluation.measured_domains(added, tunes) == config.domains
    assert evaluation.reconstruction_bits(added, tunes, "test", n_crops=2) == evaluation.reconstruction_bits(
        model, tunes, "test", n_crops=2
    )
    assert evaluation.probe(added, tunes, "test") == evaluation.probe(model, tunes, "test")
    alone = replace(
        added, network=TranslationNetwork(replace(wider, domains=("cello", "flute"), targets=("flute",))).eval()
    )
    assert evaluation.probe(alone, tunes, "test") is None


@pytest.mark.slow
def test_of_several_voices_notes_are_compared_and_no_contour(clips, judge):
    """Of two tunes at once, one has half of the notes."""
    a, b = clips[0], clips[1]
    duet = evaluation.Clip("duet", a.source + b.source, {"organ": a.truth["organ"] + b.truth["organ"]}, True)
    whole, half = (
        evaluation.score([duet], "organ", [outputs], sample_rate=RATE)[0]
        for outputs in (duet.truth["organ"], a.truth["organ"])
    )
    assert whole.pitch_jaccard == 0 and 0.25 < half.pitch_jaccard < 0.75
    assert whole.mel_distance == 0 < half.mel_distance
    assert whole.raw_pitch_accuracy is None and whole.pitch_ncc_dtw is None
    pair = evaluation.summarise("flute", "organ", [whole], [duet.truth["organ"]], judge)
    assert pair["raw_chroma_accuracy"] is None and pair["pitch_jaccard"] == 0


def test_every_tune_is_taken_once_in_every_domain(tunes, clips, play_tune):
    assert [clip.name for clip in clips] == ["test0", "test1", "test3"]
    for clip, tune in zip(clips, (10, 11, 12), strict=True):
        np.testing.assert_allclose(clip.source, play_tune("whistle", tune), atol=0.01)
        assert list(clip.truth) == ["flute", "organ"]
        np.testing.assert_allclose(clip.truth["organ"], play_tune("organ", tune), atol=0.02)
    two = evaluation.choose_clips(tunes, "organ", ["organ"], split="test", n_clips=2, seconds=0.5)
    assert [len(clip.source) for clip in two] == [8000, 8000] and np.array_equal(two[0].source, two[0].truth["organ"])


def test_noise_is_drawn_from_the_seed(clips):
    first, same, other = (evaluation.substitute("noise", clips, ["flute"], seed=seed)["flute"][0] for seed in (1, 1, 2))
    assert np.array_equal(first, same) and not np.array_equal(first, other)
    with pytest.raises(UsageError, match="'music'.*truth, source, silence, noise"):
        evaluation.substitute("music", clips, ["flute"])


def test_data_that_do_not_fit_are_refused(tunes, make_tunes, tmp_path):
    with pytest.raises(UsageError, match="kazoo.*whistle, flute, organ"):
        evaluation.choose_clips(tunes, "whistle", ["kazoo"], split="test", n_clips=2, seconds=1.0)
    unpaired = make_tunes(tmp_path / "unpaired", paired=False)
    with pytest.raises(UsageError, match="unpaired"):
        evaluation.choose_clips(unpaired, "whistle", ["flute"], split="test", n_clips=2, seconds=1.0)
    empty = make_tunes(tmp_path / "empty", tunes={"train": range(2), "valid": range(2, 4)})
    with pytest.raises(InputError, match="'test'.*whistle and flute"):
        evaluation.choose_clips(empty, "whistle", ["flute"], split="test", n_clips=2, seconds=1.0)


def test_tunes_of_several_voices_are_another_choice(tunes, clips):
    piece = tunes.pieces("test")[0]
    duet = replace(piece, notes=((0.0, 0.5, 60, 90), (0.4, 0.5, 55, 90)))
    legato = replace(piece, notes=((0.0, 0.5, 60, 90), (0.4999, 0.5, 55, 90)))
    assert (
        evaluation.has_several_voices(duet)
        and not evaluation.has_several_voices(legato)
        and not evaluation.has_several_voices(piece)
    )
    assert not any(clip.several for clip in clips)
    with pytest.raises(InputError, match="flute and organ"):
        evaluation.choose_clips(tunes, "flute", ["organ"], split="test", n_clips=2, seconds=1.0, several=True)
