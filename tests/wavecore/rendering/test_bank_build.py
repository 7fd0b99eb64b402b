"""Banks made of a data set of notes."""

import numpy as np
import pytest
import torch

from wavecore.audio import mulaw, note_level
from wavecore.errors import InputError, UsageError
from wavecore.rendering.bank_build import Wanted, make


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, make_notes):
    return make_notes(tmp_path_factory.mktemp("data") / "notes", n_samples=4 * 16_000)


def test_notes_are_heard_as_the_model_hears_them(noter, dataset):
    told = []
    found = make(
        noter,
        dataset,
        {"pipe": Wanted("flute_acoustic_000", 73), "box": Wanted("organ_electronic_001")},
        every=5,
        on_progress=lambda *done: told.append(done),
    )
    assert set(found.instruments) == {"pipe", "box"} and told == [(1, 2), (2, 2)]
    pipe = found.instruments["pipe"]
    assert (pipe.program, pipe.source, found.instruments["box"].program) == (73, "flute_acoustic_000", None)
    assert pipe.pitches.tolist() == [57, 62, 67, 72], "every fifth of what there is, and the highest"
    assert (found.held_frames, found.frame_s, found.model_sha256) == (94, 0.032, noter.sha256)
    assert pipe.latents.shape == (4, 125, 16)
    split, row = next(
        (split, row)
        for split in dataset.splits
        for row, note in enumerate(dataset.notes(split))
        if (note.pitch, note.instrument_str) == (62, "flute_acoustic_000")
    )
    sound = note_level.level(mulaw.decode(np.array(dataset.codes(split)[row])), -20.0)
    with torch.inference_mode():
        wanted = noter.network.encode(torch.from_numpy(sound)[None], torch.tensor([[62.0]]))[0, :, :-1]
    np.testing.assert_allclose(pipe.latents[1], wanted.numpy(), atol=1e-4)


def test_what_cannot_be_made_is_refused(noter, nsynth_without_pitch, dataset, tmp_path, make_notes):
    wanted = {"pipe": Wanted("flute_acoustic_000")}
    with pytest.raises(UsageError, match="0 instruments"):
        make(noter, dataset, {})
    with pytest.raises(UsageError, match="every 0 semitones"):
        make(noter, dataset, wanted, every=0)
    with pytest.raises(UsageError, match="has no pitch in its latent"):
        make(nsynth_without_pitch, dataset, wanted)
    with pytest.raises(InputError, match="no instrument 'tuba'; it has flute_acoustic_000, organ_electronic_001"):
        make(noter, dataset, {"low": Wanted("tuba")})
    with pytest.raises(InputError, match="is at 8000 Hz, noter at 16000 Hz"):
        make(noter, make_notes(tmp_path / "slow", sample_rate=8_000), wanted)
    with pytest.raises(UsageError, match="the program of x is 128"):
        Wanted("x", 128)
