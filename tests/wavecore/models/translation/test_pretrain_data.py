"""The data of the pretraining: spectra of every domain, and the notes."""

import numpy as np
import pytest
import torch

from wavecore.audio import mulaw
from wavecore.errors import UsageError
from wavecore.models.translation import pretrain_data
from wavecore.models.translation.pretrain_data import FRAMES, SEGMENT, collect, draw
from wavecore.nn.encoders import build_encoder
from wavecore.nn.note_bottleneck import LOWEST
from wavecore.training.task import build_network


def test_segments_hold_every_domain_s_spectra_in_the_written_octave(dataset, encoder, pretraining_data):
    assert pretraining_data.domains == dataset.domains and pretraining_data.conditions is None
    assert pretraining_data.spectra.shape == (5, 3, 96, SEGMENT + 4) and pretraining_data.spectra.dtype == torch.float16
    assert pretraining_data.present.all()
    piece = dataset.pieces("train")[2]
    hop, margin = encoder.config.hop_length, encoder.context_frames * encoder.config.hop_length
    sound = torch.from_numpy(mulaw.decode(np.array(dataset.codes(piece, "organ"))))[None]
    with torch.no_grad():
        wanted = encoder.spectrum(torch.nn.functional.pad(sound, (margin, margin)))[0, :, : SEGMENT + 4]
    assert torch.allclose(
        pretraining_data.spectra[2, 1 + dataset.domains[1:].index("organ")].float(), wanted, atol=1e-3
    )
    # The whistle sounds an octave higher; here its loudest bin is the flute's.
    loudest = pretraining_data.spectra[:, :, :, 20].float().argmax(dim=2)
    assert (loudest[:, 0] - loudest[:, 1]).abs().max() <= 1
    assert hop == 160


def test_notes_and_onsets_are_the_written_ones(dataset, pretraining_data):
    pitches = [piece.notes[0][2] for piece in dataset.pieces("train")]
    assert pretraining_data.notes.shape[:2] == (5, SEGMENT)
    for row, pitch in enumerate(pitches):
        assert pretraining_data.notes[row].nonzero()[:, 1].unique().tolist() == [pitch - LOWEST]
    assert pretraining_data.notes.any(dim=2).all(), "the tone sounds throughout"
    assert pretraining_data.onsets.sum(dim=1).tolist() == [1] * 5 and pretraining_data.onsets[:, 0].all()


def test_the_known_latent_is_read_in_the_middle_of_each_frame(dataset, encoder, known):
    found = collect(dataset, encoder, known=known, known_domains=("flute", "organ"))
    assert found.conditions.shape == (5, SEGMENT, 4)
    piece = dataset.pieces("train")[0]
    with torch.no_grad():
        latent = (
            sum(
                known.encode(torch.from_numpy(mulaw.decode(np.array(dataset.codes(piece, name))))[None])[0]
                for name in ("flute", "organ")
            )
            / 2
        )
    # The middle of frame 2 k + 1 lies a quarter of an old frame behind the middle of old frame k; its neighbour's
    # before k + 1's.
    ours = found.conditions[0].float()
    assert torch.allclose(ours[1:21:2], torch.lerp(latent[:10], latent[1:11], 0.25), atol=1e-2)
    assert torch.allclose(ours[2:22:2], torch.lerp(latent[:10], latent[1:11], 0.75), atol=1e-2)


def test_fewer_pieces_are_spread_evenly(dataset, encoder):
    assert len(collect(dataset, encoder, seconds=2.5).spectra) == 3


def test_crops_are_moved_alike_in_both_domains_and_in_their_notes(pretraining_data):
    generator = torch.Generator().manual_seed(3)
    crops = draw(pretraining_data, generator, 24, n_crops=40, changed=0.0)
    clean, noisy, domains, notes, onsets = crops.clean, crops.noisy, crops.domains, crops.notes, crops.onsets
    assert clean.shape == noisy.shape == (80, 96, FRAMES + 4) and crops.conditions is None
    assert torch.equal(crops.bare, clean)
    assert torch.equal(clean, noisy)
    assert notes.shape[:2] == (80, FRAMES) and onsets.shape == (80, FRAMES)
    assert (domains[:40] != domains[40:]).all() and set(domains.tolist()) == {0, 1, 2}
    assert torch.equal(notes[:40], notes[40:])
    # The note that is named is the one that sounds: quarter tones above the lowest, the bins above C3.
    fundamental = notes.argmax(dim=2) + 2 * LOWEST - 2 * 48
    for row in range(80):
        bins = fundamental[row]
        inside = (bins >= 2) & (bins < 90)
        near = torch.stack([clean[row, :, 2:-2][bins.clamp(2, 93) + k, torch.arange(FRAMES)] for k in (-1, 0, 1)]).amax(
            0
        )
        assert (near[inside] > 0.6).all()
    moved = {int(one) for one in fundamental[:, 0]}
    assert len(moved) > 12, "five pitches, moved by quarter tones"


def test_moved_crops_have_no_known_condition(dataset, encoder, known):
    pretraining_data = collect(dataset, encoder, known=known, known_domains=("flute",))
    conditions = draw(pretraining_data, torch.Generator().manual_seed(0), 24, n_crops=60).conditions
    gone = conditions.isnan().all(dim=2).all(dim=1)
    assert torch.equal(gone, conditions.isnan().any(dim=2).any(dim=1))
    assert 20 < gone[:60].sum() < 52


@pytest.mark.slow
def test_data_that_do_not_fit_are_refused(make_tunes, encoder, pretraining_data, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="domains"):
        collect(make_tunes(tmp_path / "a", paired=False), encoder)
    with pytest.raises(UsageError, match="domains"):
        collect(make_tunes(tmp_path / "b", domains=("flute",)), encoder)
    with pytest.raises(UsageError, match="36 bins"):
        draw(pretraining_data, torch.Generator(), 36)
    monkeypatch.setattr(pretrain_data, "SEGMENT", 4_000)
    with pytest.raises(UsageError, match="4000 frames of 160"):
        collect(make_tunes(tmp_path / "c"), encoder)


def test_an_encoder_of_the_same_spectra_gives_the_known_latent(dataset, encoder, network_config):
    known = build_network(build_encoder, network_config.encoder, seed=1).eval()
    pretraining_data = collect(dataset, encoder, known=known, known_domains=("flute",))
    assert pretraining_data.known is known and pretraining_data.conditions is None
    crops = draw(pretraining_data, torch.Generator().manual_seed(0), 24, n_crops=8)
    with torch.no_grad():
        latent = known.encode_spectrum(crops.bare)
    assert torch.allclose(crops.conditions[:8], (latent[:8] + latent[8:]) / 2, atol=1e-5)
    assert torch.equal(crops.conditions[:8], crops.conditions[8:])


def test_nothing_is_moved_or_varied_unasked(pretraining_data):
    still = draw(pretraining_data, torch.Generator().manual_seed(3), 24, n_crops=10, moved=0.0, changed=0.0)
    assert torch.equal(still.bare, still.noisy)
    assert not still.notes[..., 1::2].any(), "only a music that is moved has quarter tones"
    changed = draw(pretraining_data, torch.Generator().manual_seed(3), 24, n_crops=10, moved=0.0, changed=1.0)
    assert all(not torch.equal(bare, noisy) for bare, noisy in zip(changed.bare, changed.noisy, strict=True))
