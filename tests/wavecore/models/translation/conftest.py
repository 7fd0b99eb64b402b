"""Encoders to pretrain, and the data for it."""

from dataclasses import replace

import pytest

from wavecore.models.translation.pretrain_data import collect
from wavecore.nn.encoders import build_encoder
from wavecore.training.task import build_network


def make_encoder(config, seed=0):
    return build_network(build_encoder, config, seed=seed)


@pytest.fixture
def new_encoder(network_config):
    """The function that builds an encoder with other sizes."""
    return lambda seed=0, **sizes: make_encoder(replace(network_config.encoder, **sizes), seed)


@pytest.fixture
def encoder(new_encoder):
    """An encoder to pretrain."""
    return new_encoder(latent_channels=6, channels=24)


@pytest.fixture
def known(new_encoder):
    """The encoder that decoders were trained on, with half as many frames."""
    return new_encoder(seed=1, hop_length=320).eval()


@pytest.fixture(scope="session")
def pretraining_data(dataset, network_config):
    """Spectra and notes for ``encoder``; its weights have no part in them."""
    return collect(dataset, make_encoder(replace(network_config.encoder, latent_channels=6, channels=24)))
