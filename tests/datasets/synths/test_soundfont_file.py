import struct

import pytest

from wavecore.datasets.notes.programs import group_by_recordings
from wavecore.datasets.synths import soundfont
from wavecore.datasets.synths.soundfont_file import recordings_by_program
from wavecore.errors import InputError


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def soundfont_of(presets: list[tuple[int, int, list[int]]], instruments: list[list[int]]) -> bytes:
    """Make a SoundFont without sound: presets (program, bank, instruments) and each instrument's samples."""

    def lists(members: list[list[int]], generator: int) -> tuple[list[int], bytes, bytes]:
        """Return each owner's first bag, the bags, and the generators, a range before every name."""
        firsts, bags, generators = [], b"", b""
        for owner in [*members, []]:
            firsts.append(len(bags) // 4)
            for amount in owner:
                bags += struct.pack("<HH", len(generators) // 4, 0)
                generators += struct.pack("<HHHH", 43, 127 << 8, generator, amount)
        return firsts, bags + struct.pack("<HH", len(generators) // 4, 0), generators + bytes(4)

    p_first, pbag, pgen = lists([used for _, _, used in presets], 41)
    i_first, ibag, igen = lists(instruments, 53)
    ends = [*presets, (0, 0, [])]
    phdr = b"".join(
        struct.pack("<20sHHH12x", b"p", program, bank, first)
        for (program, bank, _), first in zip(ends, p_first, strict=True)
    )
    inst = b"".join(struct.pack("<20sH", b"i", first) for first in i_first)
    tables = {b"phdr": phdr, b"pbag": pbag, b"pmod": b"", b"pgen": pgen, b"inst": inst, b"ibag": ibag}
    pdta = b"pdta" + b"".join(chunk(name, data) for name, data in (tables | {b"igen": igen}).items())
    body = b"sfbk" + chunk(b"LIST", b"INFOabc") + chunk(b"LIST", b"sdta" + bytes(31)) + chunk(b"LIST", pdta)
    return chunk(b"RIFF", body)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.sf2"


def test_presets_are_followed_to_their_recordings(path):
    path.write_bytes(soundfont_of([(5, 0, [0, 1]), (7, 0, [1]), (5, 128, [2]), (9, 0, [])], [[3, 4], [6], [8]]))
    assert recordings_by_program(path) == {5: {3, 4, 6}, 7: {6}, 9: frozenset()}
    assert recordings_by_program(path, bank=128) == {5: {8}}


def test_other_and_damaged_files_are_refused(path):
    good = soundfont_of([(5, 0, [0])], [[3]])
    for data in (b"", b"hello, I am a text", good[:40], good.replace(b"inst", b"tsni"), good[:-60]):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"a\.sf2"):
            recordings_by_program(path)
    with pytest.raises(InputError, match="missing"):
        recordings_by_program(path.with_name("missing.sf2"))


def test_fluidr3s_pianos_and_violins_share_recordings():
    try:
        path = soundfont.find_soundfont()
    except InputError as error:
        pytest.skip(str(error))
    if path.name != "FluidR3_GM.sf2":
        pytest.skip("another SoundFont")
    recordings = recordings_by_program(path)
    assert set(range(128)) <= set(recordings)
    assert group_by_recordings(recordings, [0, 1, 2, 3, 40, 41, 110]) == [(0, 1, 3), (2,), (40, 110), (41,)]
