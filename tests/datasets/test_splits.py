import pytest

from wavecore.datasets.splits import split_of
from wavecore.errors import UsageError


def test_splits_never_change():
    # A change would move pieces between the splits of published data.
    expected = {"001": "train", "004": "valid", "009": "test", "010": "valid", "023": "test", "024": "train"}
    assert {number: split_of(f"POP909/{number}") for number in expected} == expected


def test_splits_have_about_the_sizes_of_their_fractions():
    splits = [split_of(str(i)) for i in range(5_000)]
    assert 0.78 < splits.count("train") / 5_000 < 0.82
    assert 0.085 < splits.count("valid") / 5_000 < 0.115
    assert {split_of(str(i), fractions=(0, 1, 0)) for i in range(50)} == {"valid"}


@pytest.mark.parametrize("fractions", [(0.5, 0.5, 0.5), (1.2, -0.1, -0.1), (0, 0, 0)])
def test_wrong_fractions_are_refused(fractions):
    with pytest.raises(UsageError):
        split_of("a", fractions=fractions)
