from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.datasets.notes.programs import MIN_GROUPS, PROGRAMS, assign_splits, group_by_recordings
from wavecore.datasets.nsynth.note import FAMILIES, SOURCES

NUMBERS = [program.number for program in PROGRAMS]
FAMILY = {program.number: program.family for program in PROGRAMS}


def test_every_program_is_one_instrument_at_most():
    assert len(NUMBERS) == len(set(NUMBERS)) == 93 and set(NUMBERS) <= set(range(120))
    assert {program.family for program in PROGRAMS} == set(FAMILIES)
    assert {program.source for program in PROGRAMS} == set(SOURCES)
    missing = {17, 18, 31, 47, 55, 86, 88, 89, *range(92, 104), 112, 113, *range(115, 120)}
    assert set(range(120)) - set(NUMBERS) == missing


def test_names_are_nsynths():
    names = {program.name for program in PROGRAMS}
    assert {"organ_electronic_016", "organ_acoustic_019", "bass_synthetic_038", "synth_lead_synthetic_081"} <= names


def test_each_alone_every_family_has_one_in_test_and_one_in_valid():
    splits = assign_splits([(number,) for number in NUMBERS])
    counts = Counter((FAMILY[number], split) for number, split in splits.items())
    for family in set(FAMILIES) - {"organ"}:
        assert counts[family, "test"] == counts[family, "valid"] == 1 and counts[family, "train"] >= 3
    assert counts["organ", "train"] == 3


@pytest.mark.parametrize("salt", "abcdefgh")
def test_some_programs_and_their_groups_are_for_training_only(salt):
    splits = assign_splits([(16,), (19,), (20,), (6, 0), (4,), (5,), (2,), (73,), (40, 110), (41,)], salt=salt)
    assert {splits[number] for number in (16, 19, 20, 6, 0, 73, 40, 110)} == {"train"}
    assert {"test", "valid"} < set(splits.values())


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(NUMBERS), st.integers(0, 12)))
def test_groups_stay_together_and_some_are_for_training(label_of):
    labels = sorted(set(label_of.values()))
    groups = [tuple(sorted(number for number in label_of if label_of[number] == label)) for label in labels]
    splits = assign_splits(groups)
    assert set(splits) == {number for group in groups for number in group}
    for group in groups:
        assert len({splits[number] for number in group}) == 1
    if groups:
        assert splits == assign_splits(reversed(groups))
    for family in FAMILIES:
        of_family = [group for group in groups if any(FAMILY[number] == family for number in group)]
        # A family of too few groups holds none out itself; groups shared with other families may be held out.
        if len(of_family) >= MIN_GROUPS and all(len(group) == 1 for group in of_family):
            free = [group for group in of_family if group[0] not in {16, 19, 6, 20, 40, 73}]
            expected = {"train", *("test", "valid")[: len(free)]}
            assert {splits[group[0]] for group in of_family} == expected


def test_small_groups_are_taken_first_and_another_salt_chooses_others():
    groups = [(40, 110), (41,), (42,), (43,), (45,), (46,)]
    found = {salt: assign_splits(groups, salt=salt) for salt in "abcdefgh"}
    assert all(splits[40] == splits[110] == "train" for splits in found.values())
    assert len({tuple(sorted(splits.items())) for splits in found.values()}) > 1


def test_two_of_a_family_are_both_for_training():
    assert set(assign_splits([(40,), (41,)]).values()) == {"train"}


def test_groups_are_found_through_others():
    recordings = {1: frozenset({1, 2}), 2: frozenset({3}), 3: frozenset({2, 3}), 4: frozenset({9})}
    assert group_by_recordings(recordings, [1, 2, 4]) == [(1,), (2,), (4,)]
    assert group_by_recordings(recordings, [4, 3, 2, 1, 1, 7]) == [(1, 2, 3), (4,), (7,)]


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.integers(0, 12), st.frozensets(st.integers(0, 12), max_size=3)))
def test_groups_share_no_recording_and_contain_everything(recordings):
    groups = group_by_recordings(recordings, recordings)
    assert sorted(program for group in groups for program in group) == sorted(recordings)
    by_group = [frozenset().union(*(recordings[program] for program in group)) for group in groups]
    for i, one in enumerate(by_group):
        assert not any(one & other for other in by_group[i + 1 :])
    for group in (group for group in groups if len(group) > 1):
        for program in group:
            assert any(recordings[program] & recordings[other] for other in group if other != program)
