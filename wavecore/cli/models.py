"""``wavecore models``: shipped and trained models, their cards, their hashes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from wavecore.console import flags
from wavecore.console.console import Console
from wavecore.console.failures import explain
from wavecore.errors import InputError, ModelError

COMMON = ("schema_version", "kind", "config", "training", "sha256")
"""Fields that every card has."""


def list_models(args: argparse.Namespace, console: Console) -> None:
    """List the shipped models, and those below the folders that were named."""
    from wavecore import checkpoint

    folders = [checkpoint.PRETRAINED / name for name in checkpoint.shipped()]
    for root in args.folders:
        found = sorted(path.parent for path in root.rglob(checkpoint.WEIGHTS))
        if not found:
            raise InputError(f"there is no model in {root} (looked for {checkpoint.WEIGHTS} in it and its subfolders)")
        folders += found
    rows = [_row(folder) for folder in folders]
    console.document({"models": rows})
    if not rows:
        console.result("no model is shipped with this installation; wavecore models list FOLDER finds trained ones")
    for row in rows:
        if row["error"] is None:
            console.result(
                f"{row['name']:16} {row['kind']:12} {row['bytes'] / 1e6:6.1f} MB "
                f" {', '.join(row['targets'] or row['plays'])}"
            )
        else:
            console.result(f"{row['name']:16} {console.paint('unreadable', 'red')}: {row['error']}")
        if not _is_shipped(Path(row["path"])):
            console.result(f"{'':16} {row['path']}")


def info(args: argparse.Namespace, console: Console) -> None:
    """Print a model's card: what it is, how it was trained, how well it does."""
    from wavecore import checkpoint

    folder = checkpoint.find(args.name)
    config = checkpoint.read_card(folder)
    evaluation = _read_json(folder / "evaluation.json")
    console.document({"name": folder.name, "path": folder, "config": config, "evaluation": evaluation})
    lines = {
        "name": folder.name,
        "kind": config["kind"],
        "folder": folder,
        **{key: ", ".join(config[key]) for key in ("domains", "targets") if key in config},
        **(_sound_lines(config) if "sample_rate" in config else _score_lines(config)),
        "weights": f"{(folder / checkpoint.WEIGHTS).stat().st_size / 1e6:.1f} MB",
        "sha256": config["sha256"],
    }
    for name, value in lines.items():
        console.result(f"{name + ':':19}{value}")
    card = folder / "card.md"
    if card.is_file():
        console.result("\n" + card.read_text(encoding="utf-8").strip())
    elif config.get("training"):
        console.result("training:")
        for name, value in config["training"].items():
            console.result(f"  {name}: {json.dumps(value)}")


def verify(args: argparse.Namespace, console: Console) -> None:
    """Check that models are whole: the hash, the sizes, every weight finite.

    Raises
    ------
    ModelError
        If one is not.
    """
    from wavecore import checkpoint

    names = args.names or checkpoint.shipped()
    if not names:
        raise ModelError(
            f"there is nothing to verify: no model is shipped with this installation ({checkpoint.PRETRAINED})"
        )
    rows = []
    for name in names:
        try:
            rows.append({"name": str(name), "ok": True, "detail": check_model(name)})
        except Exception as error:
            rows.append({"name": str(name), "ok": False, "detail": explain(error)[0]})
    console.document({"ok": all(row["ok"] for row in rows), "models": rows})
    for row in rows:
        mark = console.paint("ok", "green") if row["ok"] else console.paint("BROKEN", "red")
        console.result(f"{row['name']}: {mark}, {row['detail']}")
    broken = [row["name"] for row in rows if not row["ok"]]
    if broken:
        raise ModelError(f"{len(broken)} of {len(rows)} models are not whole: {', '.join(broken)}")


def check_model(name: str | Path) -> str:
    """Load a model with all its checks, and look at every weight.

    Parameters
    ----------
    name : str or Path
        A shipped model, a model folder or a run.

    Returns
    -------
    str
        What was found.

    Raises
    ------
    ModelError
        If it is missing or not whole.
    """
    from wavecore import checkpoint

    model = checkpoint.load(name, kind=None)
    state = model.network.state_dict()
    broken = [key for key, tensor in state.items() if not bool(tensor.isfinite().all())]
    if broken:
        raise ModelError(f"{model.path} holds weights that are not finite: {', '.join(broken[:5])}")
    n_weights = sum(tensor.numel() for tensor in state.values())
    return f"{n_weights / 1e6:.2f} million weights, sha256 {model.sha256[:12]} as the card says"


def _sound_lines(config: dict) -> dict[str, str]:
    """What a model of sound has; a receptive field only one that generates sample by sample."""
    rate = config["sample_rate"]
    found = {"rate": f"{rate} Hz" + (f", {config['codec']}" if "codec" in config else "")}
    if "receptive_field" not in config:
        return found
    hop, field = config["hop_length"], config["receptive_field"]
    return found | {
        "latent": f"{rate / hop:.1f} frames/s (hop {hop})",
        "receptive field": f"{field} samples ({field / rate:.3f} s)",
    }


def _score_lines(config: dict) -> dict[str, object]:
    """Return the fields of a composer's card that are its own."""
    fields = {key.replace("_", " "): value for key, value in config.items() if key not in COMMON and value != ""}
    return {key: ", ".join(value) if isinstance(value, list) else value for key, value in fields.items()}


def _row(folder: Path) -> dict:
    """Return a model's row; a card that cannot be read is reported and does not hide the others."""
    from wavecore import checkpoint

    row = {"name": folder.name, "path": str(folder), "bytes": (folder / checkpoint.WEIGHTS).stat().st_size}
    try:
        card = checkpoint.read_card(folder)
        fields = {key: card[key] for key in ("kind", "sha256")} | {"sample_rate": card.get("sample_rate")}
        fields |= {key: card.get(key, []) for key in ("domains", "targets")}
        return row | fields | {"plays": card.get("tracks", card.get("styles", [])), "error": None}
    except (ModelError, KeyError) as error:
        fields = {"kind": None, "domains": [], "targets": [], "plays": [], "sample_rate": None, "sha256": None}
        return row | fields | {"error": explain(error)[0] if isinstance(error, ModelError) else f"no field {error}"}


def _is_shipped(folder: Path) -> bool:
    from wavecore import checkpoint

    return folder.parent == checkpoint.PRETRAINED


def _read_json(path: Path) -> dict | None:
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path} is no JSON: {error}") from error


def _configure_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="look for trained models here, too")


def _configure_info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a shipped model, a model folder or a run")


def _configure_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="shipped models, model folders or runs (default: shipped)"
    )


COMMANDS = {
    "list": flags.Command(
        summary="shipped models, and trained ones below a folder",
        example="wavecore models list\nwavecore models list runs/ --json",
        configure=_configure_list,
        run=list_models,
    ),
    "info": flags.Command(
        summary="a model's card: domains, sizes, training, measures",
        example="wavecore models info universal\nwavecore models info runs/first --json",
        configure=_configure_info,
        run=info,
    ),
    "verify": flags.Command(
        summary="check that models are whole: hash, sizes, weights",
        example="wavecore models verify\nwavecore models verify universal runs/first",
        configure=_configure_verify,
        run=verify,
    ),
}
