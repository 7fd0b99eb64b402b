"""Figures: whole PNGs with the right contents, no pyplot, bad input refused."""

import os
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from wavecore.audio.pitch import PitchTrack
from wavecore.errors import InputError, OutputExistsError, UsageError
from wavecore.plots import audio as plots

NAN = float("nan")
SHEETS = pytest.mark.parametrize("sheet", [plots.rainbowgram_sheet, plots.spectrogram_sheet])


def tone(frequency_hz=440.0, rate=16000, seconds=0.3):
    return (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def track(f0_hz):
    f0_hz = np.asarray(f0_hz, np.float64)
    voiced = np.isfinite(f0_hz)
    return PitchTrack(np.arange(len(f0_hz)) * 0.02, f0_hz, voiced, voiced.astype(float))


@pytest.mark.slow
@SHEETS
def test_a_sheet_is_a_dark_png(sheet, tmp_path):
    path = tmp_path / "new" / "ü 笛.png"
    assert sheet([("A", tone(), 16000)], path) == path
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    image = imread(path)[..., :3]
    assert image.shape[0] > 300 and image.shape[1] > 600
    assert np.median(image) < 0.15 and image.max() > 0.6
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.slow
@pytest.mark.parametrize(("n_sounds", "columns"), [(1, 1), (3, 2), (5, 3), (10, 4)])
def test_every_sound_has_a_panel(n_sounds, columns, tmp_path, drawn):
    sounds = [(f"title {index}", tone(seconds=0.1), 16000) for index in range(n_sounds)]
    plots.spectrogram_sheet(sounds, tmp_path / "a.png")
    axes = drawn[0].axes
    assert [a.get_title(loc="left") for a in axes] == [f"title {index}" for index in range(n_sounds)]
    assert len({round(a.get_position().x0, 3) for a in axes}) == columns


def test_a_rainbowgram_has_axes_of_notes_and_seconds():
    axes = Figure().add_subplot()
    plots.rainbowgram(axes, tone(440.0, seconds=0.5), 16000)
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"C{n}" for n in range(2, 9)]
    assert axes.get_xlim() == (0.0, 0.5) and axes.get_ylim() == (0.0, 6.0)
    assert "0.2 s" in [label.get_text() for label in axes.get_xticklabels()]
    (image,) = axes.get_images()
    rows = np.asarray(image.get_array()).sum(axis=2)[:, 10:20].argmax(axis=0)
    assert image.origin == "lower" and np.abs(rows - 40 * np.log2(440 / 65.406)).max() <= 1


@pytest.mark.slow
def test_titles_are_no_formulas_and_fit(tmp_path):
    titles = ["$x_1$ {", "\\alpha", "a_b^c", "x" * 300]
    assert max(len(plots._plain(title)) for title in titles) <= 45
    plots.spectrogram_sheet([(title, tone(seconds=0.1), 16000) for title in titles], tmp_path / "a.png")


@pytest.mark.slow
@SHEETS
def test_different_rates_share_a_sheet(sheet, tmp_path, drawn):
    sheet([("A", tone(rate=rate), rate) for rate in (8000, 16000, 44100)], tmp_path / "a.png")
    assert [axes.get_xlim() for axes in drawn[0].axes] == [pytest.approx((0.0, 0.3), abs=1e-3)] * 3


@SHEETS
def test_bad_sounds_leave_no_file(sheet, tmp_path):
    for sounds, value in (
        ([], "no sounds"),
        ([("A", tone(seconds=0.1), 16000), ("B", np.array([0.0, NAN]), 16000)], "index 1"),
        ([("A", np.zeros((2, 9), np.float32), 16000)], r"\(2, 9\)"),
    ):
        with pytest.raises(InputError, match=value):
            sheet(sounds, tmp_path / "a.png")
    assert os.listdir(tmp_path) == []


def test_pitch_is_drawn_with_gaps_and_notes(tmp_path, drawn):
    tracks = {"whistle": track([440.0, NAN, 466.2, 493.9]), "strings": track([220.0, 220.0, NAN, 246.9])}
    plots.pitch_overlay(tracks, tmp_path / "a.png", title="Two")
    (axes,) = drawn[0].axes
    assert axes.get_title(loc="left") == "Two"
    lines = axes.get_lines()
    assert [line.get_label() for line in lines] == ["whistle", "strings"]
    assert np.allclose(lines[0].get_ydata(), [69, NAN, 70, 71], atol=0.01, equal_nan=True)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert "A♯3" in labels and "C4" in labels and len(labels) <= 15
    low, high = axes.get_ylim()
    assert low < 57 and high > 71


@pytest.mark.parametrize(("low", "high"), [(440.0, 441.0), (55.0, 5000.0), (440.0, 1000.0)])
def test_the_number_of_note_labels_is_bounded(low, high, tmp_path, drawn):
    plots.pitch_overlay({"a": track([low, high])}, tmp_path / "a.png")
    assert 2 <= len(drawn[0].axes[0].get_yticks()) <= 15


@pytest.mark.slow
def test_tracks_with_little_to_draw(tmp_path):
    for number, f0_hz in enumerate([[NAN, NAN], [440.0], []]):
        assert plots.pitch_overlay({"a": track(f0_hz)}, tmp_path / f"{number}.png").stat().st_size > 1000


HELD_OUT = {"valid/bits": 6.5, "valid/bits/strings": 6.4, "valid/bits/flute": 6.6, "valid/classifier_accuracy": 0.3}
RECORDS = [
    {"step": 10, "bits": 8.0, "classifier/loss": 1.0, "classifier/accuracy": 0.2},
    {"step": 20, "bits": 6.0, "classifier/loss": 0.9, "classifier/accuracy": 0.4},
    {"step": 20} | HELD_OUT,
]


def panels(figure):
    found = {}
    for axes in figure.axes:
        named = [line for line in axes.get_lines() if line.get_label()[0] != "_"]
        found[axes.get_title(loc="left")] = {line.get_label(): line.get_xydata().tolist() for line in named}
    return found


def test_records_become_panels(tmp_path, drawn):
    plots.curves(RECORDS, tmp_path / "a.png")
    found = panels(drawn[0])
    assert set(found) == {"bits", "classifier loss", "classifier accuracy"}
    assert found["bits"] == {
        "training": [[10, 8.0], [20, 6.0]],
        "held out": [[20, 6.5]],
        "held out, flute": [[20, 6.6]],
        "held out, strings": [[20, 6.4]],
    }
    assert set(found["classifier accuracy"]) == {"training", "held out"}
    assert next(iter(found)) == "bits"  # panels of most series come first


def test_curves_by_name_are_the_same(tmp_path, drawn):
    named = {"bits": [(10, 8.0), (20, 6.0)], "valid/bits": [(20, 6.5)], "none": []}
    named["train/gradient_norm"] = [(10, 1.0)]
    plots.curves(named, tmp_path / "a.png")
    assert panels(drawn[0]) == {
        "bits": {"training": [[10, 8.0], [20, 6.0]], "held out": [[20, 6.5]]},
        "gradient norm": {"training": [[10, 1.0]]},
    }


def test_long_noisy_curves_are_smoothed_and_smooth_ones_are_not(tmp_path, drawn):
    rng = np.random.default_rng(0)
    noisy = [(step, 3.0 + rng.standard_normal()) for step in range(400)]
    smooth = [(step, 0.001 * step) for step in range(400)]
    plots.curves({"loss": noisy, "rate": smooth}, tmp_path / "a.png")
    loss, rate = drawn[0].axes
    assert len(loss.get_lines()) == 2 and len(rate.get_lines()) == 1
    smoothed = loss.get_lines()[1].get_ydata()
    assert smoothed.std() < 0.5 and smoothed.mean() == pytest.approx(3.0, abs=0.1)
    assert np.allclose(plots._smoothed(np.full(50, 2.5), 7), 2.5)


@pytest.mark.slow
def test_values_that_are_not_finite_are_gaps(tmp_path):
    history = {"loss": [(1, 2.0), (2, NAN), (3, float("inf"))], "bits": [(1, NAN)]}
    assert plots.curves(history, tmp_path / "a.png").exists()


@pytest.mark.slow
def test_curves_are_overwritten_by_default_and_need_no_pyplot(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it fails
    (tmp_path / "a.png").write_text("old")
    plots.curves(RECORDS, tmp_path / "a.png")
    with pytest.raises(OutputExistsError):
        plots.curves(RECORDS, tmp_path / "a.png", overwrite=False)


@pytest.mark.parametrize("history", [[], {}, {"loss": []}, [{"step": 3}], [{"bits": 1.0}]])
def test_a_history_without_values_or_steps(history, tmp_path):
    with pytest.raises(InputError, match="{'bits': 1.0}" if "bits" in str(history) else "history"):
        plots.curves(history, tmp_path / "a.png")
    with pytest.raises(InputError, match="tracks"):
        plots.pitch_overlay({}, tmp_path / "a.png")


@pytest.mark.parametrize(
    ("draw", "data"),
    [(plots.rainbowgram_sheet, [("A", tone(), 16000)]), (plots.pitch_overlay, {"a": track([440.0])})],
)
def test_existing_files_are_kept_and_names_checked(draw, data, tmp_path):
    (tmp_path / "a.png").write_text("old")
    with pytest.raises(OutputExistsError, match=r"a\.png"):
        draw(data, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_text() == "old"
    with pytest.raises(UsageError, match=r"a\.jpg"):
        draw(data, tmp_path / "a.jpg")
