"""The music translation network: one encoder, a WaveNet decoder per domain, a domain classifier.

References
----------
Mor, Wolf, Polyak, Taigman, "A Universal Music Translation Network", arXiv:1805.07848.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from wavecore.errors import UsageError
from wavecore.models.translation.config import TranslationConfig
from wavecore.nn.encoders import build_encoder
from wavecore.nn.wavenet import WaveNet


class DomainClassifier(nn.Module):
    """Predicts the domain from the latent: three 1x1 convolutions with ELU, one to the domains, mean over time."""

    def __init__(self, latent_channels: int, channels: int, n_domains: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent_channels, channels),
            nn.ELU(),
            nn.Linear(channels, channels),
            nn.ELU(),
            nn.Linear(channels, channels),
            nn.ELU(),
            nn.Linear(channels, n_domains),
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Return logits, shape (B, n_domains), of latents, shape (B, F, C)."""
        return self.layers(latent).mean(dim=1)


class TranslationNetwork(nn.Module):
    """Encoder, decoders and domain classifier."""

    kind = "translation"

    def __init__(self, config: TranslationConfig):
        super().__init__()
        self.config = config
        channels = config.encoder.latent_channels
        self.encoder = build_encoder(config.encoder)
        self.classifier = DomainClassifier(channels, config.classifier_channels, len(config.domains))
        names = ("shared",) if config.shared_decoder else config.targets
        self.decoders = nn.ModuleDict({name: WaveNet(config.decoder) for name in names})
        if config.shared_decoder:
            self.target_embedding = nn.Parameter(0.1 * torch.randn(len(config.targets), channels))

    def forward(self, codes: Tensor, latent: Tensor, targets: Tensor) -> Tensor:
        """Predict the codes of sounds in given domains (teacher forcing).

        Parameters
        ----------
        codes : Tensor, shape (B, T), integer
            Mu-law codes of the past samples, which are the sounds in their target domains.
        latent : Tensor, shape (B, F, C), float
        targets : Tensor, shape (B,), integer
            Indices into ``config.targets``.

        Returns
        -------
        Tensor, shape (B, T, A), float
            Logits.

        Raises
        ------
        UsageError
            If the decoder of a target was dropped (``keep_decoders``).
        """
        if self.config.shared_decoder:
            return self.decoders["shared"](codes, latent + self.target_embedding[targets][:, None])
        parts, rows = [], []
        for index in sorted(set(targets.tolist())):
            name = self.config.targets[index]
            if name not in self.decoders:
                raise UsageError(f"the decoder of {name!r} is not here; here are {', '.join(self.decoders)}")
            rows.append((targets == index).nonzero()[:, 0])
            parts.append(self.decoders[name](codes[rows[-1]], latent[rows[-1]]))
        return parts[0] if len(parts) == 1 else torch.cat(parts)[torch.cat(rows).argsort()]

    def keep_decoders(self, targets: Sequence[str]) -> None:
        """Drop the decoders of all other targets, which other processes train; UsageError if one has none here."""
        missing = [name for name in targets if name not in self.decoders]
        if missing:
            raise UsageError(f"there is no decoder of {', '.join(missing)} here, only of {', '.join(self.decoders)}")
        for name in [name for name in self.decoders if name not in targets]:
            del self.decoders[name]

    def trained_here(self) -> list[str]:
        """Return the targets whose decoders were not dropped."""
        return [name for name in self.config.targets if self.config.shared_decoder or name in self.decoders]

    def decoder_state(self, target: str) -> dict[str, Tensor]:
        """Return the state of the plain WaveNet that generates one domain.

        Returns
        -------
        dict of str to Tensor
            Copies; a ``WaveNet(config.decoder)`` state dict.  A target's embedding, with a shared decoder, is folded
            into the biases.

        Raises
        ------
        UsageError
            If the network does not generate that domain.
        """
        if target not in self.config.targets:
            raise UsageError(
                f"there is no domain {target!r} to generate; choose one of {', '.join(self.config.targets)}"
            )
        decoder = self.decoders["shared" if self.config.shared_decoder else target]
        state = {name: tensor.detach().clone() for name, tensor in decoder.state_dict().items()}
        if self.config.shared_decoder:
            # (latent + e) @ W + b = latent @ W + (e @ W + b): the domain's vector becomes part of the biases.
            embedding = self.target_embedding[self.config.targets.index(target)].detach()
            for i in range(self.config.decoder.n_layers):
                state[f"layers.{i}.filter.bias"] += embedding @ state[f"layers.{i}.condition.weight"]
            state["head.bias"] += embedding @ state["head_condition.weight"]
        return state

    def card(self) -> dict[str, list[str]]:
        """Return what a model folder's card holds beside the sizes."""
        return {"domains": list(self.config.domains), "targets": list(self.config.targets)}

    def fork(self) -> TranslationNetwork:
        """Return a network with one decoder per domain in place of the shared one; the outputs stay the same.

        Raises UsageError if the decoder is not shared.
        """
        if not self.config.shared_decoder:
            raise UsageError("this network has a decoder per domain already")
        network = TranslationNetwork(replace(self.config, shared_decoder=False))
        network.encoder.load_state_dict(self.encoder.state_dict())
        network.classifier.load_state_dict(self.classifier.state_dict())
        for target in self.config.targets:
            network.decoders[target].load_state_dict(self.decoder_state(target))
        return network

    def with_targets(self, config: TranslationConfig) -> TranslationNetwork:
        """Return a network of these weights with some or all of the targets; a shared decoder is forked if need be."""
        source = self.fork() if self.config.shared_decoder and not config.shared_decoder else self
        state = source.state_dict()
        if config.shared_decoder:
            state["target_embedding"] = state["target_embedding"][
                [self.config.targets.index(t) for t in config.targets]
            ]
        network = TranslationNetwork(config)
        network.load_state_dict({name: state[name] for name in network.state_dict()})
        return network
