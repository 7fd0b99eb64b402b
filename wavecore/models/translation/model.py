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
    """Tells the domain from the latent: three 1x1 convolutions with ELU, one to the domains, mean over time."""

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
        """Classify latents.

        Parameters
        ----------
        latent : Tensor, shape (B, F, C), float

        Returns
        -------
        Tensor, shape (B, n_domains), float
            Logits, averaged over the frames.
        """
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

    def forward(self, codes: Tensor, latent: Tensor, targets: Tensor, *, history: Tensor | None = None) -> Tensor:
        """Predict the codes of sounds in given domains (teacher forcing).

        Parameters
        ----------
        codes : Tensor, shape (B, T), integer
            Mu-law codes of the sounds in their target domains.
        latent : Tensor, shape (B, F, C), float
        targets : Tensor, shape (B,), integer
            Indices into ``config.targets``.
        history : Tensor, shape (B, T), integer, optional
            What the decoder is told it has said, if not ``codes``.

        Returns
        -------
        Tensor, shape (B, T, A), float
            Logits.

        Raises
        ------
        UsageError
            If the decoder of a target is held elsewhere (``hold``).
        """
        said = codes if history is None else history
        if self.config.shared_decoder:
            return self.decoders["shared"](said, latent + self.target_embedding[targets][:, None])
        parts, rows = [], []
        for index in sorted(set(targets.tolist())):
            name = self.config.targets[index]
            if name not in self.decoders:
                raise UsageError(f"the decoder of {name!r} is not here; here are {', '.join(self.decoders)}")
            rows.append((targets == index).nonzero()[:, 0])
            parts.append(self.decoders[name](said[rows[-1]], latent[rows[-1]]))
        return parts[0] if len(parts) == 1 else torch.cat(parts)[torch.cat(rows).argsort()]

    def hold(self, targets: Sequence[str]) -> None:
        """Drop the decoders of all other targets; they are held by other processes.

        Parameters
        ----------
        targets : sequence of str
            Of ``config.targets``.

        Raises
        ------
        UsageError
            If the decoder is shared, or one is not there to be held.
        """
        if self.config.shared_decoder:
            raise UsageError("a decoder that all domains share cannot be held apart")
        missing = [name for name in targets if name not in self.decoders]
        if missing:
            raise UsageError(
                f"there is no decoder of {', '.join(missing)} to hold; here are {', '.join(self.decoders)}"
            )
        for name in [name for name in self.decoders if name not in targets]:
            del self.decoders[name]

    def decoder_state(self, target: str) -> dict[str, Tensor]:
        """Return the state of the plain WaveNet that generates one domain.

        Parameters
        ----------
        target : str
            One of ``config.targets``.

        Returns
        -------
        dict of str to Tensor
            A ``WaveNet(config.decoder)`` state dict; the target's embedding of a
            shared decoder is folded into the biases.

        Raises
        ------
        UsageError
            If the network does not generate that domain.
        """
        if target not in self.config.targets:
            raise UsageError(
                f"there is no domain {target!r} to generate; choose one of {', '.join(self.config.targets)}"
            )
        if not self.config.shared_decoder:
            return {name: tensor.detach().clone() for name, tensor in self.decoders[target].state_dict().items()}
        state = {name: tensor.detach().clone() for name, tensor in self.decoders["shared"].state_dict().items()}
        # (latent + e) @ W + b = latent @ W + (e @ W + b): the domain's vector becomes part of the biases.
        embedding = self.target_embedding[self.config.targets.index(target)].detach()
        for i in range(self.config.decoder.n_layers):
            state[f"layers.{i}.filter.bias"] += embedding @ state[f"layers.{i}.condition.weight"]
        state["head.bias"] += embedding @ state["head_condition.weight"]
        return state

    def card(self) -> dict:
        """Say what a model folder's card holds beside the sizes."""
        return {"domains": list(self.config.domains), "targets": list(self.config.targets)}

    def fork(self) -> TranslationNetwork:
        """Make one decoder per domain of a shared decoder; the outputs stay the same.

        Returns
        -------
        TranslationNetwork
            With ``config.shared_decoder`` False.

        Raises
        ------
        UsageError
            If the decoder is not shared.
        """
        if not self.config.shared_decoder:
            raise UsageError("this network has a decoder per domain already")
        network = TranslationNetwork(replace(self.config, shared_decoder=False))
        network.encoder.load_state_dict(self.encoder.state_dict())
        network.classifier.load_state_dict(self.classifier.state_dict())
        for target in self.config.targets:
            network.decoders[target].load_state_dict(self.decoder_state(target))
        return network
