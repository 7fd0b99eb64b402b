"""What ``wavecore.load`` returns for a music translation network."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavecore.audio.sound import Sound
from wavecore.audio.writing import AudioWriter
from wavecore.errors import OutputExistsError, UsageError
from wavecore.models.base import Model, draw_seed
from wavecore.models.translation import sample
from wavecore.models.translation.sample import Encoding, Memory, Options, TranslationResult
from wavecore.models.translation.survey import Source
from wavecore.nn.generate import resolve_device

RATES = ("model", "native")


@dataclass(frozen=True, repr=False)
class TranslationModel(Model):
    """A music translation network: one encoder for all domains, a WaveNet decoder for each target."""

    verbs = ("translate", "translate_file", "encode", "decode")

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that the encoder was trained on."""
        return self.network.config.domains

    @property
    def targets(self) -> tuple[str, ...]:
        """The domains that can be generated."""
        return self.network.config.targets

    @property
    def rate(self) -> int:
        """The model's sample rate, Hz."""
        return self.network.config.decoder.sample_rate

    def describe(self) -> str:
        """Return the targets."""
        return f"to {', '.join(self.targets)}"

    def translate(
        self,
        x: np.ndarray,
        rate: int,
        to: str,
        *,
        octave: int | str | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        rate_out: str = "model",
        draws: bool = False,
        device: str = "auto",
        backend: str = "auto",
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Sound:
        """Play a sound in another domain: the same music, another instrument.

        Parameters
        ----------
        x : ndarray, shape (T,) or (T, channels), float in [-1, 1]
            Channels are averaged; the level is brought to that of the training sounds.
        rate : int
            Its sample rate, Hz; resampled to the model's.
        to : str
            One of ``targets``.
        octave : int or "auto", optional
            Octaves by which the input is moved first; by default into the target's range.
        temperature : float, optional
            Divides the logits; 0 takes the most likely codes.  If not given, what the model's card recommends.
        seed : int, optional
            Seed of the random draws, 0 <= seed < 2**64; drawn if not given, and reported in ``sound.info["seed"]``.
        rate_out : {"model", "native"}
            Sample rate of the result: the model's or ``rate``.
        draws : bool
            Whether to return the samples as they were drawn; by default each is replaced by the mean of the
            distribution that it was drawn from, which has less noise.
        device : str
            "auto", "cpu", "cuda" or "cuda:N".
        backend : str
            "auto", "reference", "numba", "native" or "triton".
        on_progress : callable, optional
            Called with (samples done, samples in all).

        Returns
        -------
        Sound
            As long as the input, and the same samples that ``translate_file`` writes; ``info`` holds model,
            model_sha256, seed, temperature and the fields of ``TranslationResult``.

        Raises
        ------
        UsageError
            If the target is unknown or an option makes no sense.
        InputError
            If the sound is shorter than a latent frame, silent, not finite or of another shape.
        DeviceError
            If device or backend are not there.

        Examples
        --------
        >>> import numpy as np, wavecore
        >>> model = wavecore.load("universal")
        >>> t = np.arange(2400) / 16_000
        >>> sound = model.translate(0.3 * np.sin(2 * np.pi * 440 * t), 16_000, to="strings", seed=1)
        >>> sound.samples.shape, sound.rate, sound.info["octave_shift"]
        ((2400,), 16000, 0)
        """
        source, memory = Source.of_array(x, rate), Memory()
        options = self._options(seed, temperature, octave, rate_out, draws, device, backend)
        (result,) = sample.translate(self, source, {to: memory}, options, on_progress=on_progress)
        info = {name: value for name, value in vars(result).items() if name not in ("input", "path")}
        return self._sound(memory.samples(), options.output_rate(source, self.rate), options, info)

    def translate_file(
        self,
        source: str | os.PathLike[str],
        outputs: Mapping[str, str | os.PathLike[str]],
        *,
        octave: int | str | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        rate_out: str = "model",
        draws: bool = False,
        device: str = "auto",
        backend: str = "auto",
        overwrite: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[TranslationResult]:
        """Translate an audio file of any length to one or more targets, block by block.

        Parameters
        ----------
        source : path-like
            Any file that ``wavecore.read_audio`` reads.
        outputs : mapping of str to path-like
            For every target the file to write, of the input's length.
        octave, temperature, seed, rate_out, draws, device, backend, on_progress
            As of ``translate``.
        overwrite : bool
            Whether outputs that exist may be replaced.

        Returns
        -------
        list of TranslationResult
            In the order of ``outputs``.

        Raises
        ------
        UsageError, InputError, DeviceError
            As of ``translate``; or an output is the input.
        OutputExistsError
            If an output exists and ``overwrite`` is false.

        Examples
        --------
        >>> import numpy as np, wavecore
        >>> tone = np.sin(2 * np.pi * 440 * np.arange(2400) / 16_000) / 3
        >>> _ = wavecore.Sound(tone, 16_000).write("tone.wav")
        >>> model = wavecore.load("universal")
        >>> (result,) = model.translate_file("tone.wav", {"flute": "flute.wav"}, seed=1)
        >>> result.domain, result.path, result.seconds
        ('flute', 'flute.wav', 0.15)
        """
        paths = {target: Path(path) for target, path in outputs.items()}
        self._check_outputs(Path(source), paths, overwrite=overwrite)
        options = self._options(seed, temperature, octave, rate_out, draws, device, backend)
        opened = Source.of_file(source)
        rate = options.output_rate(opened, self.rate)
        writers = {target: AudioWriter(path, rate, overwrite=overwrite) for target, path in paths.items()}
        return sample.translate(self, opened, writers, options, on_progress=on_progress)

    def encode(self, x: np.ndarray, rate: int, *, octave: int = 0, device: str = "auto") -> np.ndarray:
        """Encode a sound as ``translate`` does.

        Parameters
        ----------
        x : ndarray, shape (T,) or (T, channels), float in [-1, 1]
        rate : int
            Hz.
        octave : int
            Octaves by which the input is moved first.
        device : str
            As of ``translate``.

        Returns
        -------
        ndarray, shape (F, C), float32
            F = ceil(T / hop_length) at the model's rate.

        Raises
        ------
        UsageError, InputError
            As of ``translate``.

        Examples
        --------
        >>> import numpy as np, wavecore
        >>> tone = np.sin(2 * np.pi * 440 * np.arange(3200) / 16_000) / 3
        >>> wavecore.load("universal").encode(tone, 16_000).shape
        (10, 32)
        """
        encoding = Encoding(self, Source.of_array(x, rate), resolve_device(device)[0])
        return np.concatenate([latents[octave] for latents in encoding.latents({octave})])

    def decode(
        self,
        latent: np.ndarray,
        to: str,
        *,
        temperature: float | None = None,
        seed: int | None = None,
        draws: bool = False,
        device: str = "auto",
        backend: str = "auto",
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Sound:
        """Decode a latent to a target.

        Parameters
        ----------
        latent : ndarray, shape (F, C), float
            As ``encode`` returns it.
        to, temperature, seed, draws, device, backend, on_progress
            As of ``translate``.

        Returns
        -------
        Sound
            F * hop_length samples at the model's rate.

        Raises
        ------
        UsageError, DeviceError
            As of ``translate``, or if the latent has another number of channels.

        Examples
        --------
        >>> import numpy as np, wavecore
        >>> model = wavecore.load("universal")
        >>> latent = model.encode(np.sin(2 * np.pi * 440 * np.arange(1600) / 16_000) / 3, 16_000)
        >>> y, rate = model.decode(latent, "organ", seed=1)
        >>> y.shape, rate
        ((1600,), 16000)
        """
        options = self._options(seed, temperature, None, "model", draws, device, backend)
        x = sample.decode(self, np.asarray(latent, np.float32), to, options, on_progress=on_progress)
        return self._sound(x, self.rate, options, {"domain": to})

    def _options(self, seed, temperature, octave, rate_out, draws, device, backend) -> Options:
        if rate_out not in RATES:
            raise UsageError(f"rate_out must be one of {', '.join(RATES)}, not {rate_out!r}")
        if isinstance(octave, str):
            if octave != "auto":
                raise UsageError(f"octave must be a whole number or 'auto', not {octave!r}")
            octave = None
        return Options(
            seed=draw_seed(seed),
            temperature=self.temperature if temperature is None else temperature,
            octave=octave,
            native=rate_out == "native",
            draws=draws,
            backend=backend,
            device=device,
        )

    def _sound(self, x: np.ndarray, rate: int, options: Options, info: dict) -> Sound:
        made = {"model": self.name, "model_sha256": self.sha256, "seed": options.seed}
        return Sound(x, rate, made | {"temperature": options.temperature} | info)

    def _check_outputs(self, source: Path, outputs: Mapping[str, Path], *, overwrite: bool) -> None:
        """Refuse what cannot be written before anything is done."""
        if not outputs:
            raise UsageError(f"no target domain was given; choose from {', '.join(self.targets)}")
        paths = [path.resolve() for path in outputs.values()]
        if len(set(paths)) < len(paths):
            raise UsageError("two targets would be written to the same file")
        if source.resolve() in paths:
            raise UsageError(f"the output equals the input, {source}; choose another name")
        existing = [str(path) for path in outputs.values() if path.exists()]
        if existing and not overwrite:
            raise OutputExistsError(f"{', '.join(existing)} exists already; allow overwriting, or choose another name")
