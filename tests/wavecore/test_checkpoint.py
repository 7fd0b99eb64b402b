"""Model folders: round trips, atomic writes, refusals."""

import json
import pickle

import pytest
import torch

from wavecore import checkpoint
from wavecore.errors import ModelError, OutputExistsError
from wavecore.models.translation.config import TranslationConfig
from wavecore.models.translation.model import TranslationNetwork
from wavecore.nn.config import EncoderConfig, WaveNetConfig


@pytest.fixture
def network():
    encoder = EncoderConfig("waveform", 3, 40, channels=4, dilation_cycles=1, layers_per_cycle=2)
    decoder = WaveNetConfig(1, 3, 2, 6, 5, 4, 7, latent_channels=3, hop_length=40)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TranslationNetwork(TranslationConfig(("a", "b"), ("b",), encoder, decoder))


def test_round_trip(network, tmp_path):
    digest = checkpoint.save(network, tmp_path / "m", training={"steps": 3})
    loaded = checkpoint.load(tmp_path / "m")
    assert (loaded.name, loaded.sha256, loaded.card["training"]) == ("m", digest, {"steps": 3})
    assert loaded.network.config == network.config and not loaded.network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], tensor)
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["config.json", "model.safetensors"]


def test_the_card_says_what_users_need(network, tmp_path):
    checkpoint.save(network, tmp_path)
    card = json.loads((tmp_path / "config.json").read_text())
    assert card["schema_version"] == 1 and card["kind"] == "translation"
    assert (card["sample_rate"], card["hop_length"], card["codec"]) == (16000, 40, "mu-law-256")
    assert card["receptive_field"] == network.config.decoder.receptive_field
    assert card["sha256"] == checkpoint.file_sha256(tmp_path / "model.safetensors")


def test_half_precision_weights_come_back_as_float32(network, tmp_path):
    checkpoint.save(network, tmp_path, dtype=torch.float16)
    for name, tensor in checkpoint.load(tmp_path).network.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, network.state_dict()[name].half().float())


def test_an_existing_model_is_kept_unless_asked(network, tmp_path):
    checkpoint.save(network, tmp_path)
    with pytest.raises(OutputExistsError, match="holds a model"):
        checkpoint.save(network, tmp_path)
    checkpoint.save(network, tmp_path, overwrite=True)


def test_weights_that_are_not_finite_are_not_saved(network, tmp_path):
    network.decoders["b"].head.bias.data[2] = float("nan")
    with pytest.raises(ModelError, match="decoders.b.head.bias"):
        checkpoint.save(network, tmp_path / "m")
    assert not (tmp_path / "m" / "model.safetensors").exists()


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.json"
    checkpoint.write_json({"a": 1}, path)
    with pytest.raises(TypeError):
        checkpoint.write_json({"a": object()}, path)
    with pytest.raises(RuntimeError), checkpoint.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_failed_folder_is_removed(tmp_path):
    with pytest.raises(KeyboardInterrupt), checkpoint.replacing(tmp_path / "folder") as temporary:
        temporary.mkdir()
        (temporary / "file").write_text("half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_corrupt_weights_are_named(network, tmp_path):
    checkpoint.save(network, tmp_path)
    data = bytearray((tmp_path / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(ModelError, match="corrupt"):
        checkpoint.load(tmp_path)


def test_a_configuration_that_does_not_fit_the_weights_is_named(network, tmp_path):
    checkpoint.save(network, tmp_path)
    card = json.loads((tmp_path / "config.json").read_text())
    card["config"]["decoder"]["skip_channels"] = 8
    (tmp_path / "config.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="does not fit config.json"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"schema_version": 2}, "schema version 2"),
        ({"kind": "gan"}, "kind 'gan'"),
        ({"config": {}}, "does not describe"),
    ],
)
def test_other_configurations_are_refused(network, tmp_path, change, message):
    checkpoint.save(network, tmp_path)
    card = json.loads((tmp_path / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match=message):
        checkpoint.load(tmp_path)


def test_a_configuration_that_is_no_json_is_refused(network, tmp_path):
    checkpoint.save(network, tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        checkpoint.load(tmp_path)


def test_a_missing_model_lists_the_shipped_ones():
    with pytest.raises(ModelError, match="'nothing-here'.*shipped models: "):
        checkpoint.load("nothing-here")


def test_a_pickle_is_refused_without_being_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    (tmp_path / "model.pt").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelError, match="is a pickle"):
        checkpoint.load(tmp_path / "model.pt")
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_under_a_safetensors_name_is_refused(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ModelError, match="not a readable safetensors file"):
        checkpoint.read_tensors(tmp_path / "model.safetensors")


def test_a_run_folder_gives_its_best_model(network, tmp_path):
    checkpoint.save(network, tmp_path / "run" / "best")
    assert checkpoint.find(tmp_path / "run") == tmp_path / "run" / "best"
    assert checkpoint.load(tmp_path / "run").name == "run"


@pytest.mark.slow
def test_every_shipped_model_loads():
    for name in checkpoint.shipped():
        assert checkpoint.load(name, kind=None).name == name
