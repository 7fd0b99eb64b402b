import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from wavecore.cli import demo_page
from wavecore.cli.demo_page import Card, Picture, build_page, envelope

VOID = {"meta", "img"}


class Outline(HTMLParser):
    """Collects tags and addresses; complains of tags that do not close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.sources, self.tags, self.text = [], [], [], ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def page():
    card = Card("whistle", "what went in", b"RIFF-a", np.sin(np.arange(1000)).astype(np.float32))
    results = [
        Card(f"<{name}>", "to & fro", b"RIFF-b", np.zeros(10, np.float32), {"melody kept": "91%"}) for name in "xyz"
    ]
    return build_page(
        title="a < b",
        lead="A & B",
        source=card,
        results=results,
        pictures=[Picture("Rainbowgrams", "time and pitch", b"PNG")],
        facts={"seed": "7", "command": 'x "y"'},
    )


def test_the_page_is_well_formed_and_escaped(page):
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert outline.tags.count("audio") == 4 and outline.tags.count("img") == 1 and outline.tags.count("article") == 4
    for text in ("a < b", "A & B", "<x>", "to & fro", "91%", 'x "y"', "time and pitch"):
        assert text in outline.text


def test_the_page_needs_nothing_from_elsewhere(page):
    outline = Outline()
    outline.feed(page)
    assert outline.sources and all(source.startswith("data:") for source in outline.sources)
    without_data = re.sub(r"data:[a-z]+/[a-z]+;base64,[A-Za-z0-9+/=]*", "", page)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", without_data)


def test_the_finished_bytes_are_what_is_played(page):
    outline = Outline()
    outline.feed(page)
    sounds = [base64.b64decode(s.split(",")[1]) for s in outline.sources if s.startswith("data:audio/wav")]
    assert sounds == [b"RIFF-a", b"RIFF-b", b"RIFF-b", b"RIFF-b"]


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 3), (6, 3), (8, 2)])
def test_columns_leave_no_lonely_card(count, columns):
    assert demo_page._columns(count) == columns


def test_envelope_of_a_step():
    x = np.concatenate([np.zeros(50), np.full(25, -0.5), np.full(25, 0.25)]).astype(np.float32)
    np.testing.assert_array_equal(envelope(x, 4), [0, 0, 1, 0.5])


@pytest.mark.parametrize("n_samples", [1, 7, 119, 121, 1000])
def test_envelope_of_any_length_lies_between_0_and_1(n_samples):
    x = np.random.default_rng(n_samples).uniform(-1, 1, n_samples).astype(np.float32)
    bars = envelope(x)
    assert bars.shape == (120,) and bars.min() >= 0 and bars.max() == 1


def test_envelope_of_silence_is_flat():
    assert not envelope(np.zeros(500, np.float32)).any()
