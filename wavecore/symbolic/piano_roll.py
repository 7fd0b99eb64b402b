"""Piano rolls as SVG, for notebooks."""

from __future__ import annotations

from html import escape

from wavecore.symbolic.song import Event, Song

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c6d31")
DRUM_COLOUR = "#888888"
MAX_NOTES = 4000
"""Notes drawn, which bounds the drawing of a long song to about 300 kB."""
MAX_LABELS = 8
WIDTH, ROW, MARGIN, LABEL = 800, 4, 30, 18
"""Pixels: width of the roll, height of a semitone, left margin, height of a line of text."""


def draw(song: Song) -> str:
    """Draw a song as an SVG element: time to the right, pitch upward, a rectangle per note, a colour per track.

    Of a song with more than ``MAX_NOTES`` the first are drawn, and the title gives their number.
    """
    notes = sorted((event.onset, track, event) for track, part in enumerate(song.parts) for event in part.events)
    tracks: dict[int, list[Event]] = {}
    for _, track, event in notes[:MAX_NOTES]:
        tracks.setdefault(track, []).append(event)
    pitches = [event.pitch for events in tracks.values() for event in events] or [60]
    low, high = min(pitches) - 2, max(pitches) + 2
    height = ROW * (high - low)
    title = (f"{song.name}: " if song.name else "") + repr(song)
    if len(notes) > MAX_NOTES:
        title += f", the first {MAX_NOTES} notes"
    size = f"0 0 {MARGIN + WIDTH} {height + 2 * LABEL + 8}"
    style = f"max-width:{MARGIN + WIDTH}px;background:#fff;font:11px sans-serif"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="{size}" style="{style}">'
        f"<title>{escape(title)}</title>{_octaves(low, high)}{_rectangles(song, tracks, high)}"
        f"{_labels(song, sorted(tracks), height + LABEL)}{_text(MARGIN, height + 2 * LABEL, title)}</svg>"
    )


def _rectangles(song: Song, tracks: dict[int, list[Event]], high: int) -> str:
    """Draw the notes, a group with a tooltip per track."""
    end_s = max((song.seconds([event.end for event in events]).max() for events in tracks.values()), default=1.0)
    svg = ""
    for track, events in sorted(tracks.items()):
        starts, ends = (
            WIDTH / end_s * song.seconds([getattr(event, name) for event in events]) for name in ("onset", "end")
        )
        svg += f'<g fill="{_colour(song, track)}"><title>{escape(_name(song, track))}</title>'
        for event, start, end in zip(events, starts, ends, strict=True):
            y, width = ROW * (high - event.pitch) - ROW // 2, max(1.0, end - start)
            svg += f'<rect x="{MARGIN + start:.1f}" y="{y}" width="{width:.1f}" height="{ROW}"/>'
        svg += "</g>"
    return svg


def _octaves(low: int, high: int) -> str:
    """Draw a line at every C."""
    svg = ""
    for pitch in range(-(-low // 12) * 12, high + 1, 12):
        y = ROW * (high - pitch)
        svg += f'<path d="M{MARGIN} {y}h{WIDTH}" stroke="#ddd"/>{_text(2, y + 4, f"C{pitch // 12 - 1}")}'
    return svg


def _labels(song: Song, tracks: list[int], y: int) -> str:
    """Write the names of the first tracks in their colours."""
    step = WIDTH // MAX_LABELS
    return "".join(
        _text(MARGIN + place * step, y, _name(song, track)[:14], _colour(song, track))
        for place, track in enumerate(tracks[:MAX_LABELS])
    )


def _text(x: int, y: int, text: str, colour: str = "#555") -> str:
    return f'<text x="{x}" y="{y}" fill="{colour}">{escape(text)}</text>'


def _name(song: Song, track: int) -> str:
    return song.parts[track].name or f"track {track + 1}"


def _colour(song: Song, track: int) -> str:
    return DRUM_COLOUR if song.parts[track].is_drum else COLOURS[track % len(COLOURS)]
