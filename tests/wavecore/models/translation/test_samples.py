from pathlib import Path

import numpy as np
import pytest
import torch

from wavecore.audio import files, mulaw
from wavecore.datasets.domains import manifest as manifests
from wavecore.datasets.domains.manifest import Domain, Manifest, Piece, Slice
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.datasets.domains.shards import write_shard
from wavecore.errors import InputError, UsageError
from wavecore.models.translation.config import TranslationConfig
from wavecore.models.translation.model import TranslationNetwork
from wavecore.models.translation.samples import input_domain, write_samples
from wavecore.nn.encoders import EncoderConfig
from wavecore.nn.wavenet import preset

RATE, HOP = 16_000, 512
DOMAINS = ("whistle", "strings", "organ")


def make_dataset(folder: Path, *, paired: bool = True, seconds: float = 3.0) -> DomainsDataset:
    """One held-out piece per domain (or one in all of them), a tone of its own in each."""
    folder.mkdir()
    length = int(seconds * RATE)
    shards, slices = {}, {}
    for number, name in enumerate(DOMAINS):
        tone = 0.3 * np.sin(2 * np.pi * 220 * (number + 2) * np.arange(length) / RATE)
        shards[f"{name}.npy"] = write_shard(folder / f"{name}.npy", [mulaw.encode(tone.astype(np.float32))], length)
        slices[name] = Slice(f"{name}.npy", 0, length, octave=int(name == "whistle"))
    groups = [slices] if paired else [{name: where} for name, where in slices.items()]
    pieces = tuple(Piece(f"p{i}#0", f"p{i}", "valid", "", "", seconds, group) for i, group in enumerate(groups))
    domains = tuple(Domain(name=name, kind="recordings", source="", licence="", seconds=seconds) for name in DOMAINS)
    manifests.write(folder, Manifest(RATE, paired, domains, pieces, shards, {}))
    return DomainsDataset.open(folder)


@pytest.fixture(scope="module")
def network():
    config = TranslationConfig(
        DOMAINS,
        ("strings", "organ"),
        EncoderConfig(hop_length=HOP, latent_channels=16, channels=8),
        preset("tiny"),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = TranslationNetwork(config)
        with torch.no_grad():
            for decoder in network.decoders.values():
                decoder.output.weight.normal_(std=0.2)
    return network.eval()


def test_a_sample_of_every_target_and_what_was_heard(network, tmp_path):
    dataset = make_dataset(tmp_path / "data")
    written = write_samples(network, dataset, tmp_path / "samples", step=1500, seconds=0.5, seed=3)
    assert [path.name for path in written] == ["step-00001500__strings.wav", "step-00001500__organ.wav"]
    assert {path.name for path in (tmp_path / "samples").iterdir()} == {
        *(path.name for path in written), "input__strings.wav", "input__organ.wav",
    }  # fmt: skip
    for path in written:
        x, rate = files.read(path)
        assert rate == RATE and len(x) == 16 * HOP  # half a second, rounded up to whole frames
        assert len(np.unique(x)) > 20
    heard, _ = files.read(tmp_path / "samples" / "input__organ.wav")
    peak_hz = np.abs(np.fft.rfft(heard * np.hanning(len(heard)))).argmax() * RATE / len(heard)
    assert peak_hz == pytest.approx(440, abs=3)  # the whistle, which cannot be generated


def test_the_same_seed_gives_the_same_samples(network, tmp_path):
    dataset = make_dataset(tmp_path / "data")
    sounds = []
    for number, seed in enumerate((1, 1, 2)):
        written = write_samples(network, dataset, tmp_path / str(number), step=number, seconds=0.2, seed=seed)
        sounds.append([path.read_bytes() for path in written])
    assert sounds[0] == sounds[1] and sounds[0][0] != sounds[2][0]


def test_a_step_that_comes_again_replaces_its_files(network, tmp_path):
    dataset = make_dataset(tmp_path / "data")
    for seconds in (0.2, 0.1):
        (path, _) = write_samples(network, dataset, tmp_path / "s", step=7, seconds=seconds)
    assert files.probe(path).frames == 4 * HOP


def test_the_octave_between_the_domains_reaches_the_encoder(network, tmp_path, monkeypatch):
    dataset = make_dataset(tmp_path / "data")
    shifts = []
    genuine = network.encoder.forward

    def listen(audio, *, octave_shift=0):
        shifts.append(octave_shift)
        return genuine(audio, octave_shift=octave_shift)

    monkeypatch.setattr(network.encoder, "forward", listen)
    write_samples(network, dataset, tmp_path / "s", step=0, seconds=0.1)
    assert shifts == [-1, -1]


def test_short_pieces_give_short_samples_and_too_short_ones_an_error(network, tmp_path):
    margin = network.encoder.context_frames * HOP
    dataset = make_dataset(tmp_path / "data", seconds=(2 * margin + 3 * HOP + 5) / RATE)
    (path, _) = write_samples(network, dataset, tmp_path / "s", step=0, seconds=2.0)
    assert files.probe(path).frames == 3 * HOP
    short = make_dataset(tmp_path / "short", seconds=2 * margin / RATE)
    with pytest.raises(InputError, match="shorter crops or more data"):
        write_samples(network, short, tmp_path / "t", step=0)


def test_unpaired_data_are_heard_in_their_own_domain(network, tmp_path):
    dataset = make_dataset(tmp_path / "data", paired=False)
    write_samples(network, dataset, tmp_path / "s", step=0, seconds=0.3)
    heard, _ = files.read(tmp_path / "s" / "input__organ.wav")
    peak_hz = np.abs(np.fft.rfft(heard * np.hanning(len(heard)))).argmax() * RATE / len(heard)
    assert peak_hz == pytest.approx(880, abs=3)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_lengths_that_are_none(network, tmp_path, seconds):
    with pytest.raises(UsageError, match="seconds"):
        write_samples(network, None, tmp_path, step=0, seconds=seconds)


def test_input_domain(network):
    config = network.config
    assert input_domain(config, "organ", paired=True) == "whistle"
    assert input_domain(config, "organ", paired=False) == "organ"
    full = TranslationConfig(DOMAINS, DOMAINS, config.encoder, config.decoder)
    assert input_domain(full, "whistle", paired=True) == "strings"
    assert input_domain(full, "organ", paired=True) == "whistle"
    alone = TranslationConfig(("organ",), ("organ",), config.encoder, config.decoder)
    assert input_domain(alone, "organ", paired=True) == "organ"
