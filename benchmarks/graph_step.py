"""What a careful user of PyTorch would run: a sample a step, everything on the device, captured as a CUDA graph.

Ring buffers, time and codes are tensors that steps change in place, so a step needs nothing from
Python, and many of them can be recorded once and replayed.  Without a graph the same step is the eager baseline.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor

from wavecore.nn import generate
from wavecore.nn.config import WaveNetConfig

STEPS = 64
"""Samples that one graph holds."""
PARITY_STEPS = 40


class GraphStep:
    """B streams of a WaveNet with two taps.

    Parameters
    ----------
    state : dict of str to Tensor
        The weights, by the names of ``WaveNet``.
    config : WaveNetConfig
    batch : int
    latent : Tensor, shape (B, F, C)
        What the streams are told; after the last frame the first comes again.
    dtype : torch.dtype
        Of weights and products.
    """

    def __init__(self, state: dict[str, Tensor], config: WaveNetConfig, batch: int, latent: Tensor, dtype: torch.dtype):
        if config.kernel_size != 2:
            raise ValueError(f"this baseline has two taps, not {config.kernel_size}")
        device = latent.device
        self.config, self.batch = config, batch
        self.w = {name: tensor.to(device, dtype) for name, tensor in state.items()}
        frames = latent.to(dtype).transpose(0, 1)  # (F, B, C)
        self.conditions = [
            frames @ self.w[f"layers.{i}.condition.weight"] + self.w[f"layers.{i}.filter.bias"]
            for i in range(config.n_layers)
        ]
        self.head_condition = frames @ self.w["head_condition.weight"] + self.w["head.bias"]
        # One layer's filter as one product: the past beside the present.
        self.taps = [self.w[f"layers.{i}.filter.weight"].flatten(0, 1) for i in range(config.n_layers)]
        self.rings = torch.zeros(sum(config.dilations), batch, config.residual_channels, device=device, dtype=dtype)
        self.starts = torch.tensor(np.concatenate([[0], np.cumsum(config.dilations[:-1])]), device=device)
        self.dilations = torch.tensor(config.dilations, device=device)
        self.t = torch.zeros((), dtype=torch.int64, device=device)
        self.scalars = torch.zeros(batch, 2, device=device, dtype=dtype)
        self.logits = torch.zeros(batch, config.n_classes, device=device, dtype=torch.float32)
        self.codes = torch.zeros(batch, dtype=torch.int64, device=device)

    def predict(self) -> None:
        """Find the next sample's logits, and remember the layers' inputs."""
        w, gate, config = self.w, self.config.gate_channels, self.config
        frame = (self.t // config.hop_length % len(self.head_condition)).view(1)
        places = (self.starts + self.t % self.dilations).view(-1, 1)
        x = self.scalars @ w["first.weight"] + w["first.bias"]
        skip = x @ w["first_skip.weight"] + w["first_skip.bias"]
        for i in range(config.n_layers):
            past = self.rings.index_select(0, places[i])[0]
            z = self.conditions[i].index_select(0, frame)[0] + torch.cat([past, x], dim=1) @ self.taps[i]
            self.rings.index_copy_(0, places[i], x.unsqueeze(0))
            gated = torch.tanh(z[:, :gate]) * torch.sigmoid(z[:, gate:])
            skip = skip + gated @ w[f"layers.{i}.skip.weight"] + w[f"layers.{i}.skip.bias"]
            if i + 1 < config.n_layers:
                x = x + gated @ w[f"layers.{i}.residual.weight"] + w[f"layers.{i}.residual.bias"]
        hidden = torch.relu(skip) @ w["head.weight"] + self.head_condition.index_select(0, frame)[0]
        self.logits.copy_(torch.relu(hidden) @ w["output.weight"] + w["output.bias"])

    def hear(self, codes: Tensor) -> None:
        """Take codes (B,) as the newest samples."""
        self.codes.copy_(codes)
        newest = (self.codes / (self.config.n_classes - 1) - 0.5).to(self.scalars.dtype)
        self.scalars.copy_(torch.stack([self.scalars[:, 1], newest], dim=1))
        self.t.add_(1)

    def step(self) -> None:
        """Draw one sample of every stream."""
        self.predict()
        reached = torch.softmax(self.logits, dim=-1).cumsum(dim=-1)
        drawn = torch.rand(self.batch, 1, device=self.logits.device) * reached[:, -1:]
        self.hear((reached < drawn).sum(dim=-1).clamp(max=self.config.n_classes - 1))


def parity(config: WaveNetConfig, state: dict[str, Tensor], device: str, dtype: torch.dtype, batch: int = 3) -> float:
    """Largest error of teacher-forced logits against the float64 reference, relative to the largest logit."""
    rng = np.random.default_rng(11)
    codes = rng.integers(0, config.n_classes, (batch, PARITY_STEPS))
    n_frames = -(-PARITY_STEPS // config.hop_length)
    latent = rng.standard_normal((batch, n_frames, config.latent_channels)).astype(np.float32)
    reference = generate.open_generator(state, config, batch=batch, seed=0, backend="reference", dtype="float64")
    reference.feed(latent)
    wanted = reference.force(codes.astype(np.uint8)).astype(np.float64)
    stepped = GraphStep(state, config, batch, torch.from_numpy(latent).to(device), dtype)
    worst = 0.0
    for column in range(PARITY_STEPS):
        stepped.predict()
        worst = max(worst, float(np.abs(stepped.logits.double().cpu().numpy() - wanted[:, column]).max()))
        stepped.hear(torch.from_numpy(codes[:, column]).to(device))
    return worst / float(np.abs(wanted).max())


@torch.inference_mode()
def speed(
    config: WaveNetConfig,
    state: dict[str, Tensor],
    device: str,
    dtype: torch.dtype,
    batch: int,
    seconds: float,
    *,
    recorded: bool,
) -> float:
    """Samples per second over all streams, step by step or recorded as a CUDA graph."""
    latent = torch.randn(batch, 16, config.latent_channels, device=device)
    stepped = GraphStep(state, config, batch, latent, dtype)
    if not recorded:
        return batch * _rate(stepped.step, device, seconds)
    aside = torch.cuda.Stream()
    with torch.cuda.stream(aside):  # libraries set themselves up at first use, which cannot be recorded
        for _ in range(3):
            stepped.step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(STEPS):
            stepped.step()
    return batch * STEPS * _rate(graph.replay, device, seconds)


def _rate(work, device: str, seconds: float) -> float:
    """Calls per second."""
    work()
    n, took = 1, 0.0
    while took < seconds:
        n *= 2
        begun = time.perf_counter()
        for _ in range(n):
            work()
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize()
        took = time.perf_counter() - begun
    return n / took
