"""The page of ``wavecore demo``: one HTML file with embedded sounds and pictures."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

N_BARS = 120
BAR_WIDTH = 5
BAR_HEIGHT = 64


@dataclass(frozen=True)
class Card:
    """One sound on the page.

    Attributes
    ----------
    note : str
        A line below the title.
    wav : bytes
        Content of the audio file.
    audio : ndarray, shape (T,), float32 in [-1, 1]
        Its samples, of which the envelope is drawn.
    figures : mapping of str to str
        Names and values, with their units.
    """

    title: str
    note: str
    wav: bytes
    audio: np.ndarray
    figures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """One picture on the page."""

    title: str
    caption: str
    png: bytes


def build_page(
    *,
    title: str,
    lead: str,
    source: Card,
    results: Sequence[Card],
    pictures: Sequence[Picture],
    facts: Mapping[str, str],
) -> str:
    """Build the page.

    Parameters
    ----------
    title, lead : str
        Heading, and the paragraph below it.
    source : Card
        The input.
    results : sequence of Card
        The translations.
    facts : mapping of str to str
        Names and values in the footer, with which the demo can be reproduced.

    Returns
    -------
    str
        HTML that needs neither other files nor a network.
    """
    body = [
        f"<header><h1>{escape(title)}</h1><p>{escape(lead)}</p></header>",
        "<main>",
        f'<section class="source">{_card(source, hue=40)}</section>',
        f'<section class="results" style="--columns:{_columns(len(results))}">',
        *(_card(card, hue=160 + 200 * number // max(1, len(results))) for number, card in enumerate(results)),
        "</section>",
        *(_figure(picture) for picture in pictures),
        "</main>",
        f"<footer><dl>{_definitions(facts)}</dl></footer>",
    ]
    return _PAGE.format(title=escape(title), style=_STYLE, script=_SCRIPT, body="\n".join(body))


def envelope(audio: np.ndarray, n_bars: int = N_BARS) -> np.ndarray:
    """Compute the peak envelope of a sound.

    Parameters
    ----------
    audio : ndarray, shape (T,), float32
        T > 0.
    n_bars : int
        At least 1.

    Returns
    -------
    ndarray, shape (n_bars,), float64 in [0, 1]
        The peak of each of ``n_bars`` segments, relative to the highest.
    """
    edges = np.linspace(0, len(audio), n_bars + 1).astype(int)
    peaks = np.array([np.abs(audio[a : max(b, a + 1)]).max(initial=0.0) for a, b in itertools.pairwise(edges)])
    return peaks / max(float(peaks.max()), 1e-9)


def _columns(count: int) -> int:
    """Return the number of columns, 3 at most, that leaves no single card in the last row if possible."""
    return next((n for n in (3, 2) if count % n == 0), min(count, 3))


def _card(card: Card, *, hue: int) -> str:
    return (
        f'<article style="--hue:{hue}">'
        f'<div class="head"><h2>{escape(card.title)}</h2><p>{escape(card.note)}</p></div>'
        f"{_bars(card.audio)}"
        f'<audio controls preload="auto" aria-label="{escape(card.title, quote=True)}" '
        f'src="{_data_uri(card.wav, "audio/wav")}"></audio>'
        f"<dl>{_definitions(card.figures)}</dl></article>"
    )


def _bars(audio: np.ndarray) -> str:
    """Draw the envelope as bars; a second, brighter copy is revealed while the sound plays."""
    heights = np.maximum(2, np.round(envelope(audio) * BAR_HEIGHT))
    path = "".join(
        f"M{number * BAR_WIDTH + 1} {(BAR_HEIGHT - height) / 2:g}h{BAR_WIDTH - 2}v{height:g}h-{BAR_WIDTH - 2}z"
        for number, height in enumerate(heights)
    )
    width = len(heights) * BAR_WIDTH
    return (
        f'<svg viewBox="0 0 {width} {BAR_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f'<path class="rest" d="{path}"/><path class="played" d="{path}"/></svg>'
    )


def _figure(picture: Picture) -> str:
    return (
        f'<figure><h2>{escape(picture.title)}</h2><img alt="{escape(picture.title, quote=True)}" '
        f'src="{_data_uri(picture.png, "image/png")}">'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
    )


def _definitions(values: Mapping[str, str]) -> str:
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in values.items())


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
<script>{script}</script>
</body>
</html>
"""

_STYLE = """
:root { color-scheme: dark; --ink: #e9e6f2; --soft: #9a94b3; --line: #ffffff14; --ground: #0c0a14; }
* { box-sizing: border-box; margin: 0; }
body { background: var(--ground)
         radial-gradient(80rem 46rem at 82% -6rem, #4a2a86 0%, #1d1438 42%, var(--ground) 76%) no-repeat;
       color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif;
       padding: 5rem 1.5rem 3rem; }
header, main, footer { max-width: 66rem; margin: 0 auto; }
header { margin-bottom: 3rem; }
h1 { font-size: clamp(2.6rem, 8vw, 4.8rem); line-height: 1; letter-spacing: -.035em; font-weight: 700;
     background: linear-gradient(95deg, #ffd59a, #ff8fb1 45%, #8fb8ff); -webkit-background-clip: text;
     background-clip: text; color: transparent; padding-bottom: .12em; }
header p { color: var(--soft); font-size: 1.2rem; max-width: 40rem; margin-top: 1rem; }
h2 { font-size: 1.15rem; font-weight: 600; letter-spacing: -.01em; }
article, figure { background: #ffffff09; border: 1px solid var(--line); border-radius: 1.1rem;
                  padding: 1.3rem; }
article { --bright: hsl(var(--hue) 85% 70%); display: grid; gap: .9rem; }
article:focus-within, article:hover { border-color: hsl(var(--hue) 60% 60% / .45); }
.head { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; }
.head h2 { color: var(--bright); }
.head p { color: var(--soft); font-size: .88rem; text-align: right; }
.source { margin-bottom: 1.2rem; }
.results { display: grid; gap: 1.2rem; margin-bottom: 1.2rem;
           grid-template-columns: repeat(var(--columns), 1fr); }
@media (max-width: 50rem) { .results { grid-template-columns: 1fr; } body { padding-top: 3rem; } }
svg { width: 100%; height: 4rem; display: block; cursor: pointer; }
.rest { fill: hsl(var(--hue) 60% 68% / .42); }
.played { fill: var(--bright); clip-path: inset(0 calc(100% - var(--done, 0%)) 0 0); }
audio { width: 100%; height: 2.4rem; }
dl { display: flex; flex-wrap: wrap; gap: .5rem 1.6rem; }
dt { color: var(--soft); font-size: .74rem; text-transform: uppercase; letter-spacing: .07em; }
dd { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
figure { margin-bottom: 1.2rem; }
figure img { width: 100%; height: auto; display: block; border-radius: .6rem; margin: .9rem 0 .7rem; }
figcaption { color: var(--soft); font-size: .92rem; }
footer { color: var(--soft); font-size: .86rem; border-top: 1px solid var(--line);
         padding-top: 1.3rem; margin-top: 2.4rem; }
@media print { body { background: none; } }
"""

_SCRIPT = """
document.querySelectorAll("article").forEach(function (card) {
  var audio = card.querySelector("audio"), bars = card.querySelector("svg");
  function draw() {
    card.style.setProperty("--done", 100 * audio.currentTime / (audio.duration || 1) + "%");
    if (!audio.paused) requestAnimationFrame(draw);
  }
  audio.addEventListener("play", function () {
    document.querySelectorAll("audio").forEach(function (other) { if (other !== audio) other.pause(); });
    draw();
  });
  audio.addEventListener("seeked", draw);
  bars.addEventListener("click", function (event) {
    var box = bars.getBoundingClientRect();
    audio.currentTime = (event.clientX - box.left) / box.width * (audio.duration || 0);
    audio.play();
  });
});
"""
