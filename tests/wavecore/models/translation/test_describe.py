"""What a model remembers of its data."""

import json

import pytest

from wavecore.models.translation.describe import describe


def test_ranges_levels_and_json(dataset):
    found = describe(dataset)
    assert found == json.loads(json.dumps(found))
    assert found["midi_ranges"] == {"whistle": [72.0, 79.0], "flute": [60.0, 67.0], "organ": [60.0, 67.0]}
    # A sinusoid of 0.2 has an RMS of -17 dB; with overtones 1/k up to the fifth it is 1.66 dB more.
    assert found["level_db"] == pytest.approx(-16.0, abs=1.2)
    assert found["pieces"] == {"train": 5, "valid": 2, "test": 1}
