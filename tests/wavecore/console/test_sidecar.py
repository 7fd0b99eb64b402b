import json
import math
import os

import pytest

from wavecore.console.sidecar import sidecar_path, write_sidecar
from wavecore.errors import OutputExistsError


def test_a_sidecar_is_whole_json_beside_the_output(tmp_path):
    path = sidecar_path(tmp_path / "a.b.wav")
    assert path == tmp_path / "a.b.wav.json"
    write_sidecar(path, {"peak_db": -math.inf, "seed": 3}, overwrite=False)
    assert json.loads(path.read_text()) == {"peak_db": None, "seed": 3}
    with pytest.raises(OutputExistsError):
        write_sidecar(path, {}, overwrite=False)
    write_sidecar(path, {"seed": 4}, overwrite=True)
    assert json.loads(path.read_text()) == {"seed": 4}
    assert os.listdir(tmp_path) == ["a.b.wav.json"]
