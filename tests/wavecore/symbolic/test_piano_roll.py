"""Piano rolls: well-formed SVG with a rectangle for every note."""

from xml.etree import ElementTree

import pytest

from wavecore.symbolic import piano_roll
from wavecore.symbolic.song import Event, Part, Song, Tempo

SVG = "{http://www.w3.org/2000/svg}"


def drawn(song):
    return ElementTree.fromstring(song._repr_html_())


def rectangles(element):
    names = ("x", "y", "width", "height")
    return [tuple(float(rect.get(name)) for name in names) for rect in element.iter(f"{SVG}rect")]


def test_rectangles_lie_at_their_times_and_pitches():
    low = Part([Event(0, 60, 240), Event(480, 67, 480)], "low")
    high = Part([Event(240, 72, 240)], "")
    root = drawn(Song(480, (low, high), (Tempo(480, 1_000_000),)))  # 0.5 s of the first beat, 1 s of the second
    groups = root.findall(f"{SVG}g")
    assert [group.find(f"{SVG}title").text for group in groups] == ["low", "track 2"]
    assert len({group.get("fill") for group in groups}) == 2
    (first, second), ((x, y, width, height),) = (rectangles(group) for group in groups)
    second_px = piano_roll.WIDTH / 1.5
    assert first[0] == piano_roll.MARGIN and first[2] == pytest.approx(0.25 * second_px, abs=0.1)
    assert x == pytest.approx(first[0] + 0.25 * second_px, abs=0.1) and width == pytest.approx(first[2], abs=0.1)
    assert second[0] == pytest.approx(first[0] + 0.5 * second_px, abs=0.1)
    assert second[2] == pytest.approx(second_px, abs=0.1)
    assert first[1] - y == 12 * height and second[1] - y == 5 * height and y > 0


def test_names_are_escaped_and_the_title_is_accessible():
    song = Song(480, (Part([Event(0, 60, 1)], '<b>&"'),), name="<script>alert(1)</script> & co")
    root = drawn(song)
    assert root.get("role") == "img" and root[0].tag == f"{SVG}title"
    assert root[0].text == f"{song.name}: {song!r}"
    assert "<script" not in song._repr_html_() and "<b>" not in song._repr_html_()


def test_drums_have_a_colour_of_their_own():
    root = drawn(Song(480, (Part([Event(0, 36, 9)], is_drum=True), Part([Event(0, 60, 9)]))))
    assert [group.get("fill") == piano_roll.DRUM_COLOUR for group in root.findall(f"{SVG}g")] == [True, False]


@pytest.mark.parametrize("n_parts", [0, 1, 40])
def test_songs_of_any_size(n_parts):
    parts = tuple(Part([Event(7 * n, n % 128, 5) for n in range(index, 2500, 7)]) for index in range(n_parts))
    song = Song(480, parts)
    text = song._repr_html_()
    assert len(rectangles(drawn(song))) == min(song.n_notes, piano_roll.MAX_NOTES) and len(text) < 350_000
    assert (str(piano_roll.MAX_NOTES) in drawn(song)[0].text) == (song.n_notes > piano_roll.MAX_NOTES)
