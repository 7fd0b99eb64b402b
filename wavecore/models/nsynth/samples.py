"""Notes said again while an autoencoder trains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from wavecore.audio import mulaw, note_level
from wavecore.datasets.notes.reader import NotesDataset
from wavecore.errors import UsageError
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.models.nsynth.train import LEVEL_DB
from wavecore.nn.generate import generate_blocks, open_generator

SECONDS = 2.0


def write_samples(
    network: NSynthNetwork, dataset: NotesDataset, folder: str | Path, *, step: int, n_notes: int = 4, seed: int = 0
) -> list[Path]:
    """Write held-out notes and what the autoencoder makes of them.

    Parameters
    ----------
    network : NSynthNetwork
        In evaluation mode, on the CPU.
    dataset : NotesDataset
        The notes come from its ``valid`` split, spread over it, the same at every step.
    folder : str or Path
        Gets ``step-XXXXXXXX__NOTE.wav`` and ``input__NOTE.wav``.
    step : int
        For the names; files of the same step are replaced.
    n_notes : int
        At least 1; as many as there are, at most.

    Returns
    -------
    list of Path
        The files of this step.

    Raises
    ------
    UsageError
        If the notes are none, at another rate than the network's, or shorter than a frame.
    """
    encoder = network.config.encoder
    if n_notes < 1:
        raise UsageError(f"n_notes must be at least 1, not {n_notes}")
    if dataset.sample_rate != encoder.sample_rate or dataset.n_samples < encoder.hop_length:
        raise UsageError(
            f"notes of {dataset.n_samples} samples at {dataset.sample_rate} Hz do not fit a network with frames of "
            f"{encoder.hop_length} samples at {encoder.sample_rate} Hz"
        )
    # Where a model is trained, libsndfile need not be until something is written.
    from wavecore.audio import files

    notes, codes = dataset.notes("valid"), dataset.codes("valid")
    chosen = np.linspace(0, len(notes) - 1, min(n_notes, len(notes))).astype(int)
    hop = encoder.hop_length
    n_samples = min(dataset.n_samples, int(SECONDS * dataset.sample_rate)) // hop * hop
    heard = np.stack([note_level.level(mulaw.decode(np.array(codes[i][:n_samples])), LEVEL_DB) for i in chosen])
    pitches = torch.tensor([notes[i].pitch for i in chosen])
    with torch.inference_mode():
        latent = network.encode(torch.from_numpy(heard), pitches[:, None].float() if network.config.harmonics else None)
        condition = network.condition(latent, pitches if network.config.pitch_channels else None).numpy()
    generator = open_generator(network.decoder_state(), network.config.decoder, batch=len(chosen), seed=seed)
    said = np.concatenate(list(generate_blocks(generator, condition)), axis=1)
    written = []
    for i, x, said_codes in zip(chosen, heard, said, strict=True):
        name = notes[i].note_str
        files.write(Path(folder) / f"input__{name}.wav", x, dataset.sample_rate, overwrite=True)
        written.append(Path(folder) / f"step-{step:08d}__{name}.wav")
        files.write(written[-1], mulaw.decode(said_codes), dataset.sample_rate, overwrite=True)
    return written
