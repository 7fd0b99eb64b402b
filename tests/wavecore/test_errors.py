"""Every error has the exit code that scripts rely on."""

import pytest

from wavecore import errors

CODES = {
    "WavecoreError": 1,
    "UsageError": 2,
    "InputError": 3,
    "ModelError": 4,
    "DeviceError": 5,
    "OutputExistsError": 6,
    "PartialFailureError": 7,
}


@pytest.mark.parametrize("name, code", list(CODES.items()))
def test_exit_codes(name, code):
    kind = getattr(errors, name)
    assert issubclass(kind, errors.WavecoreError) and kind.exit_code == code
    with pytest.raises(errors.WavecoreError, match="what happened"):
        raise kind("what happened")


def test_no_two_errors_share_a_code_and_none_is_forgotten():
    kinds = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert kinds == set(CODES)
    assert len(set(CODES.values())) == len(CODES)
