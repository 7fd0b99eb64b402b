from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.datasets.notes.programs import LEAST_GROUPS, PROGRAMS, assign_splits
from wavecore.datasets.nsynth.note import FAMILIES, SOURCES

NUMBERS = [program.number for program in PROGRAMS]
FAMILY = {program.number: program.family for program in PROGRAMS}


def test_every_program_is_one_instrument_at_most():
    assert len(NUMBERS) == len(set(NUMBERS)) == 93 and set(NUMBERS) <= set(range(120))
    assert {program.family for program in PROGRAMS} == set(FAMILIES)
    assert {program.source for program in PROGRAMS} == set(SOURCES)
    assert set(range(120)) - set(NUMBERS) == {
        17, 18, 31, 47, 55, 86, 88, 89, *range(92, 104), 112, 113, *range(115, 120),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0, "keyboard_acoustic_000"), (4, "keyboard_electronic_004"), (16, "organ_electronic_016"),
        (19, "organ_acoustic_019"), (21, "reed_acoustic_021"), (30, "guitar_electronic_030"),
        (32, "bass_acoustic_032"), (38, "bass_synthetic_038"), (46, "string_acoustic_046"),
        (54, "vocal_synthetic_054"), (81, "synth_lead_synthetic_081"), (107, "guitar_acoustic_107"),
    ],
)  # fmt: skip
def test_names_of_instruments(number, name):
    assert next(program.name for program in PROGRAMS if program.number == number) == name


def test_each_alone_every_family_has_one_in_test_and_one_in_valid():
    splits = assign_splits([(number,) for number in NUMBERS])
    counts = Counter((FAMILY[number], split) for number, split in splits.items())
    for family in set(FAMILIES) - {"organ"}:
        assert counts[family, "test"] == counts[family, "valid"] == 1 and counts[family, "train"] >= 3
    assert counts["organ", "train"] == 3


@pytest.mark.parametrize("salt", "abcdefgh")
def test_what_does_not_judge_is_for_training_with_its_kin(salt):
    splits = assign_splits([(16,), (19,), (20,), (6, 0), (4,), (5,), (2,), (73,), (40, 110), (41,)], salt=salt)
    assert {splits[number] for number in (16, 19, 20, 6, 0, 73, 40, 110)} == {"train"}
    assert {"test", "valid"} < set(splits.values())


@st.composite
def groupings(draw):
    """Any of the programs in any groups."""
    chosen = draw(st.lists(st.sampled_from(NUMBERS), unique=True))
    labels = draw(st.lists(st.integers(0, 12), min_size=len(chosen), max_size=len(chosen)))
    groups: dict[int, list[int]] = {}
    for number, label in zip(chosen, labels, strict=True):
        groups.setdefault(label, []).append(number)
    return [tuple(sorted(group)) for group in groups.values()]


@given(groupings())
def test_kin_stays_together_and_training_keeps_something(groups):
    splits = assign_splits(groups)
    assert set(splits) == {number for group in groups for number in group}
    for group in groups:
        assert len({splits[number] for number in group}) == 1
    if groups:
        assert splits == assign_splits(reversed(groups))
    for family in FAMILIES:
        of_family = [group for group in groups if any(FAMILY[number] == family for number in group)]
        # A family of too few groups takes none for itself; kin of other families may.
        if len(of_family) >= LEAST_GROUPS and all(len(group) == 1 for group in of_family):
            free = [group for group in of_family if group[0] not in {16, 19, 6, 20, 40, 73}]
            wanted = {"train", *("test", "valid")[: len(free)]}
            assert {splits[group[0]] for group in of_family} == wanted


def test_small_groups_are_taken_first_and_another_salt_chooses_others():
    groups = [(40, 110), (41,), (42,), (43,), (45,), (46,)]
    found = {salt: assign_splits(groups, salt=salt) for salt in "abcdefgh"}
    assert all(splits[40] == splits[110] == "train" for splits in found.values())
    assert len({tuple(sorted(splits.items())) for splits in found.values()}) > 1


def test_two_of_a_family_are_both_for_training():
    assert set(assign_splits([(40,), (41,)]).values()) == {"train"}
