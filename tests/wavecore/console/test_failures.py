import errno

import pytest

from wavecore import errors
from wavecore.console.failures import explain, near_miss


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.WavecoreError, 1),
        (errors.UsageError, 2),
        (errors.InputError, 3),
        (errors.ModelError, 4),
        (errors.DeviceError, 5),
        (errors.OutputExistsError, 6),
        (errors.PartialFailureError, 7),
    ],
)
def test_wavecores_errors_keep_their_text_and_code(kind, code):
    assert explain(kind("what, why, next")) == ("what, why, next", code)


class OutOfMemoryError(RuntimeError):
    """Named as torch's is."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_running_out_of_memory_is_a_device_error_that_says_what_to_try(error):
    text, code = explain(error)
    assert code == 5
    assert "out of memory" in text and "--device cpu" in text and "\n" not in text


def test_an_error_of_the_system_names_the_file():
    assert explain(OSError(errno.ENOSPC, "No space left on device", "/x/y.wav")) == (
        "/x/y.wav: No space left on device",
        1,
    )


def test_a_defect_says_that_it_is_one():
    text, code = explain(KeyError("latent"))
    assert code == 1 and "defect" in text and "KeyError: 'latent'" in text and "-v" in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [("translte", "; did you mean translate?"), ("DOCTOR", "; did you mean doctor?"), ("xyz", ""), ("", "")],
)
def test_near_miss(name, expected):
    assert near_miss(name, ["translate", "doctor"]) == expected
