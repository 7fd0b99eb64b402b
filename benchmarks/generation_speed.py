"""How fast is generation, beside what people would otherwise run and beside what the machine allows?

Peers in the same run: the naive way (recompute the receptive field for every
sample), PyTorch eager with ring buffers (the `reference` backend), the same
step compiled by torch.compile.  Then our backends, through `wavecore.benchmark`:
parity first, then samples per second, each case in a process of its own.

    python -P benchmarks/generation_speed.py --out benchmarks/results/cpu.json --plot docs/speed.png
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wavecore import benchmark as measure
from wavecore import checkpoint
from wavecore.benchmark import Case
from wavecore.nn import generate
from wavecore.nn.config import WaveNetConfig, preset
from wavecore.nn.wavenet import WaveNet
from wavecore.plots import speed_chart

STRETCHES = 5


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    device, _ = generate.resolve_device(arguments.device)
    about = measure.machine(device)
    print(about, flush=True)
    peers = []
    for name in arguments.presets.split(","):
        for label, peer in (("naive", Naive), ("eager", None), ("compiled", CompiledStep)):
            peers.append(_measure_peer(label, peer, name, arguments.seconds))
            print(f"{name:8}{label:10}{_speed(peers[-1]['samples_per_s'])}", flush=True)
    results = []
    for result in measure.measure_all(_cases(arguments, device), seconds=arguments.seconds):
        results.append(asdict(result))
        share = "" if result.roofline_fraction is None else f"{result.roofline_fraction:8.0%} of the roofline"
        print(
            f"{result.preset:8}{result.backend:10}{result.dtype:8} batch {result.batch:3} cores {result.threads}"
            f" {_speed(result.samples_per_s)}{share}  first {result.first_sample_ms or 0:.2f} ms  parity"
            f" {result.parity:.1e}",
            flush=True,
        )
    found = {"machine": about, "peers": peers, "results": results, "ratios": _ratios(peers, results)}
    for name, value in found["ratios"].items():
        print(f"{name}: {value:.2f}")
    if arguments.out:
        checkpoint.write_json(found, Path(arguments.out))
    if arguments.plot:
        speed_chart.draw([r for r in results if r["threads"] == arguments.threads], arguments.plot, overwrite=True)


def _cases(arguments: argparse.Namespace, device: str) -> list[Case]:
    """Batch 1 in every format on one core and on all, then more streams in the usual format."""
    cases = []
    for name in arguments.presets.split(","):
        for backend in generate.available_backends(device):
            if backend == "reference":
                continue
            for dtype in generate.DTYPES[backend]:
                cases += [Case(name, backend, device, dtype, 1, threads) for threads in {1, arguments.threads}]
            for batch in map(int, arguments.batches.split(",")):
                usual = generate.default_dtype(backend, batch)
                cases += [Case(name, backend, device, usual, batch, threads) for threads in {1, arguments.threads}]
    return cases


def _measure_peer(label: str, peer, name: str, seconds: float) -> dict[str, object]:
    """Samples per second of a peer at batch 1, the median of several stretches; None where it does not run."""
    config = preset(name)
    state = measure.random_state(config)
    if peer is None:
        generator = generate.open_generator(state, config, batch=1, seed=0, backend="reference")
        latent = np.random.default_rng(0).standard_normal((1, 40, config.latent_channels)).astype(np.float32)
        generator.feed(latent)
        run = generator.generate
    else:
        run = peer(state, config).generate
    try:
        run(2)
    except Exception as error:  # a compiler that is not there is a finding, and its error can be anything
        return {"preset": name, "peer": label, "samples_per_s": None, "error": f"{type(error).__name__}: {error}"[:300]}
    begun = time.perf_counter()
    run(8)
    n = max(4, int(seconds / STRETCHES / ((time.perf_counter() - begun) / 8)))
    times = []
    for _ in range(STRETCHES):
        begun = time.perf_counter()
        run(n)
        times.append(time.perf_counter() - begun)
    return {"preset": name, "peer": label, "samples_per_s": n / statistics.median(times), "error": None}


class Naive:
    """Run the network over the receptive field for every sample."""

    def __init__(self, state: dict[str, Tensor], config: WaveNetConfig):
        self.network, self.config = WaveNet(config), config
        self.network.load_state_dict(state)
        self.codes = torch.full((1, config.receptive_field + 1), 128)
        self.latent = torch.randn(1, -(-self.codes.shape[1] // config.hop_length), config.latent_channels)

    @torch.inference_mode()
    def generate(self, n_samples: int) -> None:
        """Draw samples, one after the other.

        Parameters
        ----------
        n_samples : int
        """
        for _ in range(n_samples):
            logits = self.network(self.codes, self.latent)[0, -1]
            code = torch.multinomial(torch.softmax(logits, -1), 1)
            self.codes = torch.cat([self.codes[:, 1:], code[None]], dim=1)


class CompiledStep:
    """One sample with ring buffers as tensors, compiled by torch.compile."""

    def __init__(self, state: dict[str, Tensor], config: WaveNetConfig):
        if config.kernel_size != 2:
            raise ValueError(f"the compiled peer has two taps, not {config.kernel_size}")
        self.w, self.config = {name: tensor.clone() for name, tensor in state.items()}, config
        self.rings = [torch.zeros(dilation, config.residual_channels) for dilation in config.dilations]
        latent = torch.randn(config.latent_channels)
        self.conditions = [
            latent @ self.w[f"layers.{i}.condition.weight"] + self.w[f"layers.{i}.filter.bias"]
            for i in range(config.n_layers)
        ]
        self.head_condition = latent @ self.w["head_condition.weight"] + self.w["head.bias"]
        self.scalars, self.t = torch.zeros(2), 0
        self.step = torch.compile(self._step, dynamic=False)

    def _step(self, scalars: Tensor, past: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        w, gate = self.w, self.config.gate_channels
        x = scalars @ w["first.weight"] + w["first.bias"]
        skip = x @ w["first_skip.weight"] + w["first_skip.bias"]
        inputs = []
        for i in range(self.config.n_layers):
            inputs.append(x)
            taps = w[f"layers.{i}.filter.weight"]
            z = self.conditions[i] + past[i] @ taps[0] + x @ taps[1]
            gated = torch.tanh(z[:gate]) * torch.sigmoid(z[gate:])
            skip = skip + gated @ w[f"layers.{i}.skip.weight"] + w[f"layers.{i}.skip.bias"]
            if i + 1 < self.config.n_layers:
                x = x + gated @ w[f"layers.{i}.residual.weight"] + w[f"layers.{i}.residual.bias"]
        hidden = torch.relu(torch.relu(skip) @ w["head.weight"] + self.head_condition)
        return torch.softmax(hidden @ w["output.weight"] + w["output.bias"], -1), inputs

    @torch.inference_mode()
    def generate(self, n_samples: int) -> None:
        """Draw samples, one after the other.

        Parameters
        ----------
        n_samples : int
        """
        for _ in range(n_samples):
            places = [self.t % len(ring) for ring in self.rings]
            past = [ring[place] for ring, place in zip(self.rings, places, strict=True)]
            weights, inputs = self.step(self.scalars, past)
            for ring, place, x in zip(self.rings, places, inputs, strict=True):
                ring[place] = x
            code = int(torch.multinomial(weights, 1))
            self.scalars = torch.tensor([float(self.scalars[1]), code / (self.config.n_classes - 1) - 0.5])
            self.t += 1


def _ratios(peers: list[dict], results: list[dict]) -> dict[str, float]:
    """The comparisons that people ask for, where both sides were measured."""
    eager = {peer["preset"]: peer["samples_per_s"] for peer in peers if peer["peer"] == "eager"}

    def speed(preset: str, dtype: str, batch: int, threads: int) -> float | None:
        for r in results:
            if (r["preset"], r["backend"], r["dtype"], r["batch"], r["threads"]) == (
                preset,
                "native",
                dtype,
                batch,
                threads,
            ):
                return r["samples_per_s"]
        return None

    found = {}
    for name in dict.fromkeys(r["preset"] for r in results):
        most = max(r["threads"] for r in results)
        for dtype in ("int16", "float16", "int8"):
            one, two, eight = speed(name, dtype, 1, 1), speed(name, dtype, 1, most), speed(name, dtype, 8, 1)
            label = f"{name}, native {dtype}"
            if one and eager.get(name):
                found[f"{label}: one core to eager"] = one / eager[name]
            if two and eager.get(name):
                found[f"{label}: {most} cores to eager"] = two / eager[name]
            if one and two and most > 1:
                found[f"{label}: {most} cores to one"] = two / one
            if one and eight:
                found[f"{label}: 8 streams to 1, one core"] = eight / one
    return found


def _speed(value: float | None) -> str:
    return "    does not run" if value is None else f"{value:12,.0f} samples/s"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", default="small,umt")
    parser.add_argument("--batches", default="2,4,8,32", help="streams beside 1")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--out", help="where to write the figures as JSON")
    parser.add_argument("--plot", help="where to draw them")
    return parser.parse_args()


if __name__ == "__main__":
    main()
