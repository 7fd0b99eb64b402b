"""The configuration of an autoencoder: parts that fit each other, and presets with other inputs."""

import json
from dataclasses import replace

import pytest

from wavecore.errors import UsageError
from wavecore.models.nsynth.config import PRESETS, NSynthConfig
from wavecore.nn.config import EncoderConfig, WaveNetConfig, preset

ENCODER = EncoderConfig("waveform", 3, 40, channels=4, dilation_cycles=1, layers_per_cycle=2)
DECODER = WaveNetConfig(1, 3, 2, 6, 5, 4, 7, latent_channels=3, hop_length=40)


def test_the_defaults_are_the_small_preset():
    assert NSynthConfig() == PRESETS["small"]
    assert [config.decoder for config in PRESETS.values()] == [
        preset(name) for name in ("tiny", "small-nsynth", "nsynth")
    ]


@pytest.mark.parametrize(
    ("inputs", "channels", "hop"),
    [
        ({}, 16, 512),
        ({"encoder": "waveform", "pitch_channels": 8}, 24, 512),
        ({"harmonics": 3}, 16 + 1 + 6, 1),
    ],
)
def test_a_preset_with_other_inputs(inputs, channels, hop):
    config = PRESETS["tiny"].with_inputs(**inputs)
    assert (config.decoder.latent_channels, config.decoder.hop_length) == (channels, hop)
    assert config.encoder.kind == inputs.get("encoder", "cqt")
    assert (config.pitch_channels, config.harmonics) == (inputs.get("pitch_channels", 0), inputs.get("harmonics", 0))
    assert config.decoder.residual_channels == PRESETS["tiny"].decoder.residual_channels
    assert NSynthConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_configuration_from_before_there_were_oscillators_is_read():
    config = NSynthConfig(ENCODER, replace(DECODER, latent_channels=6), 0, 6)
    values = config.to_dict()
    del values["harmonics"]
    assert NSynthConfig.from_dict(values) == config


@pytest.mark.parametrize("name", ["pitch_channels", "condition_channels", "harmonics"])
@pytest.mark.parametrize("value", [-1, 1.0, True])
def test_channels_that_are_no_number_of_channels_are_refused(name, value):
    with pytest.raises(UsageError, match=f"{name}.*{value!r}"):
        NSynthConfig(ENCODER, DECODER, **{name: value})


@pytest.mark.parametrize(
    ("encoder", "decoder", "inputs", "offending"),
    [
        ({"hop_length": 50}, {}, (0, 0), "hop_length must be 50, not 40"),
        ({}, {"sample_rate": 8000}, (0, 0), "16000 and 8000"),
        ({"latent_channels": 4}, {}, (0, 0), "3 latent channels, not 4"),
        ({}, {}, (2, 0), "3 latent channels, not 5"),
        ({}, {}, (0, 6), "3 latent channels, not 6"),
        ({}, {"hop_length": 40, "latent_channels": 7}, (0, 0, 2), "hop_length must be 1, not 40"),
        ({}, {"hop_length": 1}, (0, 0, 2), "3 latent channels, not 8"),
        ({}, {"hop_length": 1, "latent_channels": 9}, (2, 0, 2), "pitch_channels.*harmonics"),
        ({}, {}, (0, 0, 65), "harmonics is 65.*64"),
    ],
)
def test_parts_that_do_not_fit_are_refused(encoder, decoder, inputs, offending):
    with pytest.raises(UsageError, match=offending):
        NSynthConfig(replace(ENCODER, **encoder), replace(DECODER, **decoder), *inputs)
