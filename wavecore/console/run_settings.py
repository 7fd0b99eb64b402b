"""What a training run is to be, from flags, from a model to start with, or from the run itself."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wavecore.console import common
from wavecore.console.console import Console
from wavecore.errors import InputError, UsageError

if TYPE_CHECKING:
    from wavecore.checkpoint import LoadedModel
    from wavecore.models.translation.model import TranslationConfig, TranslationNetwork
    from wavecore.training.config import TrainingConfig

DEFAULT_PRESET = "small"
DEFAULT_ENCODER = "cqt"
RECORD = "command.json"


def read_run(out: Path) -> dict:
    """Read what a run was started with.

    Parameters
    ----------
    out : Path
        The run's folder.

    Returns
    -------
    dict
        ``network``, ``training``, ``data`` as the run's settings hold them,
        ``init``: the folder of the model it started from, or None, and
        ``teach_encoder``: whether that model's encoder was taught the notes first.

    Raises
    ------
    InputError
        If there is no run, or its settings cannot be read.
    """
    file = out / "settings.json"
    if not file.is_file():
        raise InputError(f"there is no run to resume in {out} (no {file.name}); leave --resume out to start one")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        record = out / RECORD
        start = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
        begun = {"init": start.get("init"), "teach_encoder": start.get("teach_encoder", False)}
        return {key: found[key] for key in ("network", "training", "data")} | begun
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"the settings of the run in {out} cannot be read: {error}") from error


def has_checkpoint(out: Path) -> bool:
    """Tell whether a run has saved its state.

    Parameters
    ----------
    out : Path
        The run's folder.
    """
    return any((out / "checkpoint").glob("[0-9]*"))


def starting_model(args: argparse.Namespace, before: dict | None, *, kind: str | None) -> LoadedModel | None:
    """Load the model that a run starts from.

    Parameters
    ----------
    args : argparse.Namespace
        ``out`` and ``init``.
    before : dict or None
        What the run was started with, if it is resumed.
    kind : str or None
        Of the model; any if None.

    Returns
    -------
    LoadedModel or None
        None where no model was named, and where a resumed run has weights of its own already: all have that did not end
        before they first saved them.

    Raises
    ------
    ModelError
        If there is no such model.
    """
    from wavecore import checkpoint

    init = before["init"] if before else args.init
    if not init or (before and has_checkpoint(args.out)):
        return None
    return checkpoint.load(init, kind=kind)


def is_restarted(out: Path) -> bool:
    """Tell whether ``torchrun`` has started this command before, and it began the run in ``out``.

    Parameters
    ----------
    out : Path
        The run's folder.

    Returns
    -------
    bool
        Never of another job's run, which is not to be gone on with unasked.
    """
    from wavecore.training import distributed

    record = out / RECORD
    if not (distributed.restarts() and record.is_file() and (out / "settings.json").is_file()):
        return False
    try:
        return json.loads(record.read_text(encoding="utf-8")).get("job") == distributed.job()
    except (OSError, ValueError) as error:
        raise InputError(f"the record of the run in {out} cannot be read: {error}") from error


def open_run(
    args: argparse.Namespace, read: Callable[[Path], Any], *, kind: str | None, built_by: str
) -> tuple[Any, LoadedModel | None, dict | None]:
    """Open the data, and the model that a run starts from.

    Parameters
    ----------
    args : argparse.Namespace
        ``data``, ``out``, ``resume`` and ``init``.
    read : callable
        Opens a data set.
    kind : str or None
        Of the model; any if None.
    built_by : str
        The command that builds such data, for the message.

    Returns
    -------
    dataset
        As `read` returns it.
    model : LoadedModel or None
        As of ``starting_model``.
    before : dict or None
        What the run was started with, if it is resumed.

    Raises
    ------
    WavecoreError
        If data, run or model are missing or cannot be read.
    """
    before = read_run(args.out) if args.resume else None
    dataset = read(data_folder(args, before, built_by=built_by))
    return dataset, starting_model(args, before, kind=kind), before


def data_folder(args: argparse.Namespace, before: dict | None, *, built_by: str) -> Path:
    """Take the data that were named, or those of the run.

    Parameters
    ----------
    before : dict or None
        What the run was started with, if it is resumed.
    built_by : str
        The command that builds such data, for the message.

    Raises
    ------
    UsageError
        If there are none.
    """
    if args.data is not None:
        return args.data
    if before is None:
        raise UsageError(f"the data are missing: --data DIR (`{built_by}` builds some)")
    return Path(before["data"])


def network_settings(
    args: argparse.Namespace, domains: Sequence[str], initial: TranslationConfig | None, before: dict | None
) -> TranslationConfig:
    """Work out the network's sizes.

    Parameters
    ----------
    domains : sequence of str
        Of the data.
    initial : TranslationConfig or None
        Of the model to start from.
    before : dict or None
        What the run was started with, if it is resumed.

    Raises
    ------
    UsageError
        If a flag contradicts the model or the run, or a target is unknown.
    """
    from wavecore.models.translation.model import TranslationConfig
    from wavecore.nn.encoders import EncoderConfig
    from wavecore.nn.wavenet import preset

    if before is not None:
        config = TranslationConfig.from_dict(before["network"])
        _refuse_contradiction(args, config, "the run")
        _refuse_latent(args, "the run")
        if args.targets and tuple(args.targets) != config.targets:
            raise UsageError(f"the run has the targets {', '.join(config.targets)}, not {', '.join(args.targets)}")
        if args.shared_decoder and not config.shared_decoder:
            raise UsageError("the run has a decoder per target; leave --shared-decoder out, or start another run")
        return config
    if initial is not None:
        _refuse_contradiction(args, initial, "the model of --init")
        if args.shared_decoder and not initial.shared_decoder:
            raise UsageError("the model of --init has a decoder per target, of which no shared one can be made")
        if args.teach_encoder:
            targets = common.chosen(args.targets or initial.targets, list(domains), what="target")
            other = replace(initial, domains=tuple(domains), targets=tuple(targets), shared_decoder=args.shared_decoder)
            return _with_latent(other, args)
        _refuse_latent(args, "the model of --init")
        targets = common.chosen(args.targets or initial.targets, initial.targets, what="target")
        return replace(initial, targets=tuple(targets), shared_decoder=args.shared_decoder)
    targets = common.chosen(args.targets or domains, list(domains), what="domain")
    decoder = preset(args.preset or DEFAULT_PRESET)
    encoder = EncoderConfig(
        kind=args.encoder or DEFAULT_ENCODER,
        latent_channels=decoder.latent_channels,
        hop_length=decoder.hop_length,
        sample_rate=decoder.sample_rate,
    )
    return _with_latent(
        TranslationConfig(tuple(domains), tuple(targets), encoder, decoder, shared_decoder=args.shared_decoder), args
    )


def training_settings(
    args: argparse.Namespace,
    before: dict | None,
    console: Console,
    *,
    default: Callable[..., TrainingConfig] | None = None,
) -> TrainingConfig:
    """Work out the settings of the training.

    Parameters
    ----------
    before : dict or None
        What the run was started with, if it is resumed.
    default : callable, optional
        Makes the settings of a new run of its seed; those of ``TrainingConfig`` if not given.

    Raises
    ------
    UsageError
        If a setting is unknown or makes no sense.
    """
    from wavecore.training.config import TrainingConfig, with_settings

    if before is not None:
        config = TrainingConfig(**before["training"])
        config = config if args.seed is None else replace(config, seed=args.seed)
    else:
        by_setting = any(setting.startswith("seed=") for setting in args.settings)
        config = (default or TrainingConfig)(seed=0 if by_setting else common.settle_seed(args.seed, console))
    return with_settings(config, args.settings)


def starting_network(network: TranslationNetwork, config: TranslationConfig) -> TranslationNetwork:
    """Take a model's weights into a network with some or all of its targets.

    Parameters
    ----------
    network : TranslationNetwork
        The model; a shared decoder is forked if ``config`` has none.
    config : TranslationConfig
        From ``network_settings``.
    """
    from wavecore.models.translation.model import TranslationNetwork

    if network.config.shared_decoder and not config.shared_decoder:
        network = network.fork()
    state = network.state_dict()
    if config.shared_decoder:
        rows = [network.config.targets.index(target) for target in config.targets]
        state["target_embedding"] = state["target_embedding"][rows]
    started = TranslationNetwork(config)
    started.load_state_dict({name: state[name] for name in started.state_dict()})
    return started


def _with_latent(config: TranslationConfig, args: argparse.Namespace) -> TranslationConfig:
    """Give encoder and decoders the latent that was asked for."""
    asked = {"hop_length": args.hop, "latent_channels": args.latent_channels}
    asked = {name: value for name, value in asked.items() if value is not None}
    told = {
        name: getattr(args, name) for name in ("latent_levels", "bottleneck", "bottleneck_context", "hearing_frames")
    }
    told = {name: value for name, value in told.items() if value is not None}
    if args.bottleneck == "none":  # decisions around a frame are told of decisions alone
        told = {"bottleneck_context": 0} | told | {"bottleneck": ""}
    return replace(config, encoder=replace(config.encoder, **asked, **told), decoder=replace(config.decoder, **asked))


def _refuse_latent(args: argparse.Namespace, whose: str) -> None:
    flags = ("hop", "latent_channels", "latent_levels", "bottleneck", "bottleneck_context", "hearing_frames")
    given = [flag for flag in flags if getattr(args, flag) is not None]
    if given:
        raise UsageError(f"{whose} has a latent already; leave --{given[0].replace('_', '-')} out")


def _refuse_contradiction(args: argparse.Namespace, config: TranslationConfig, whose: str) -> None:
    """Refuse sizes that are not those that are settled already."""
    from wavecore.nn.wavenet import preset

    if args.preset and preset(args.preset) != config.decoder:
        raise UsageError(f"{whose} has decoders of another size than --preset {args.preset}; leave the flag out")
    if args.encoder and args.encoder != config.encoder.kind:
        raise UsageError(f"{whose} has a {config.encoder.kind} encoder, not a {args.encoder} one; leave the flag out")
