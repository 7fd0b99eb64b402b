from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.datasets.notes.soundfont_samples import kin, samples_of_programs
from wavecore.datasets.synths import soundfont
from wavecore.errors import InputError


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def soundfont_of(presets: list[tuple[int, int, list[int]]], instruments: list[list[int]]) -> bytes:
    """A SoundFont without sound: presets (program, bank, instruments) and each instrument's samples."""

    def lists(members: list[list[int]], generator: int) -> tuple[list[int], bytes, bytes]:
        """Per owner its first bag; the bags; the generators, a range before every name."""
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
    assert samples_of_programs(path) == {5: {3, 4, 6}, 7: {6}, 9: frozenset()}
    assert samples_of_programs(path, bank=128) == {5: {8}}


def test_what_is_no_soundfont_is_refused(path):
    good = soundfont_of([(5, 0, [0])], [[3]])
    for data in (b"", b"hello, I am a text", good[:40], good.replace(b"inst", b"tsni"), good[:-60]):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"a\.sf2 is not a SoundFont whose programs"):
            samples_of_programs(path)
    with pytest.raises(InputError, match="missing"):
        samples_of_programs(path.with_name("missing.sf2"))


def test_kin_is_found_through_others():
    samples = {1: frozenset({1, 2}), 2: frozenset({3}), 3: frozenset({2, 3}), 4: frozenset({9})}
    assert kin(samples, [1, 2, 4]) == [(1,), (2,), (4,)]
    assert kin(samples, [4, 3, 2, 1, 1, 7]) == [(1, 2, 3), (4,), (7,)]


@given(st.dictionaries(st.integers(0, 12), st.frozensets(st.integers(0, 12), max_size=3)))
def test_groups_share_nothing_and_hold_everything(samples):
    groups = kin(samples, samples)
    assert sorted(program for group in groups for program in group) == sorted(samples)
    recordings = [frozenset().union(*(samples[program] for program in group)) for group in groups]
    for i, one in enumerate(recordings):
        assert not any(one & other for other in recordings[i + 1 :])
    for group in groups:
        for program in group:
            if len(group) > 1:
                assert any(samples[program] & samples[other] for other in group if other != program)


def test_fluidr3s_pianos_and_violins_are_kin():
    try:
        path = soundfont.find_soundfont()
    except InputError as error:
        pytest.skip(str(error))
    if path.name != "FluidR3_GM.sf2":
        pytest.skip("another SoundFont")
    samples = samples_of_programs(path)
    assert set(range(128)) <= set(samples)
    groups = kin(samples, [0, 1, 2, 3, 40, 41, 110])
    assert groups == [(0, 1, 3), (2,), (40, 110), (41,)]
