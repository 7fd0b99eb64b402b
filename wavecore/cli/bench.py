"""``wavecore bench``: samples per second, beside the machine's own limits."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from pathlib import Path

from wavecore.console import common, flags
from wavecore.console.console import Console
from wavecore.errors import ModelError

HEADER = "preset    backend    dtype    batch  cores    samples/s  x real time  of roofline   first    parity"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore bench``."""
    parser.add_argument("--preset", type=flags.names, default=["small"], metavar="P,..", help="sizes (default: small)")
    parser.add_argument(
        "--backend",
        type=flags.names,
        metavar="B,..",
        help="reference, numba, native (default: all that run on the device)",
    )
    parser.add_argument("--batch", type=batches, default=[1, 8], metavar="N,..", help="streams at once (default: 1,8)")
    parser.add_argument(
        "--dtype", type=flags.names, metavar="D,..", help="of the weights (default: that of each backend)"
    )
    parser.add_argument("--seconds", type=seconds, default=3.0, metavar="S", help="to time each case (default: 3)")
    parser.add_argument(
        "--threads", type=flags.count, default=os.cpu_count() or 1, metavar="N", help="cores (default: all)"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="OUT.png", help="draw samples/s against streams, with the roofline"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a picture that exists")
    flags.add_device(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Measure every case and report it.

    Raises
    ------
    WavecoreError
        If nothing can be measured, or a backend differs from the reference.
    """
    from wavecore import benchmark as measure
    from wavecore.nn import generate
    from wavecore.plots import speed_chart
    from wavecore.plots import style as canvas

    if args.plot is not None:
        common.require_folder(args.plot.parent)
        canvas.require_png(args.plot, args.overwrite)
    device = common.settle_device(args.device, console)
    backends = args.backend or generate.available_backends(device)
    cases, skipped = measure.plan(args.preset, backends, args.batch, args.dtype, device, args.threads)
    for reason in skipped:
        console.say(f"skipped: {reason}")
    console.say(f"{len(cases)} cases, about {len(cases) * (args.seconds + 8):.0f} s")
    about = measure.machine(device)
    console.say(f"{about['processor']}, {about['cores']} cores")
    results = []
    console.result(HEADER)
    for result in measure.measure_all(cases, seconds=args.seconds):
        results.append(result)
        console.result(line(result))
    console.document({"machine": about, "results": [asdict(result) for result in results]})
    if args.plot is not None:
        speed_chart.draw([asdict(result) for result in results], args.plot, overwrite=args.overwrite)
        console.result(str(args.plot))
    wrong = [result for result in results if result.samples_per_s is None]
    if wrong:
        names = ", ".join(f"{result.backend} {result.dtype} (error {result.parity:.2g})" for result in wrong)
        raise ModelError(f"{len(wrong)} of {len(results)} cases differ from the reference and have no speed: {names}")


def line(result) -> str:
    """Format a result for people."""
    case = f"{result.preset:10}{result.backend:11}{result.dtype:9}{result.batch:5}{result.threads:7}"
    if result.samples_per_s is None:
        return f"{case}    differs from the reference: logit error {result.parity:.2g}"
    share = "-" if result.roofline_fraction is None else f"{result.roofline_fraction:.0%}"
    return (
        f"{case}{result.samples_per_s:13,.0f}{result.realtime_factor:13.2f}{share:>13}"
        f"{result.first_sample_ms:7.1f} ms{result.parity:9.1g}"
    )


def batches(text: str) -> list[int]:
    """Parse numbers of streams with commas between them.

    Returns
    -------
    list of int
        Each at least 1.
    """
    return [flags.count(part) for part in flags.names(text)]


def seconds(text: str) -> float:
    """Parse a length of time.

    Returns
    -------
    float
        Above 0, at most 3,600; seconds.
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"seconds above 0 and up to 3600 are needed, not {text!r}")
    return value


COMMANDS = {
    "": flags.Command(
        summary="samples per second, against the machine's own limits",
        example="wavecore bench\nwavecore bench --preset small,umt --batch 1,8,32 --dtype float16,int8 --json",
        configure=configure,
        run=run,
    )
}
