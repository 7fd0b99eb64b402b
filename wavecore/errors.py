"""The errors wavecore raises, each with the exit code of the command line.

Messages say what happened, why, and what to try next, with the offending
value.  Library code raises these at its boundary; only ``wavecore.cli`` turns
them into text and an exit code.
"""

from __future__ import annotations


class WavecoreError(Exception):
    """Any failure that wavecore itself reports (exit code 1)."""

    exit_code = 1


class UsageError(WavecoreError):
    """The request makes no sense, whatever the input (exit code 2)."""

    exit_code = 2


class InputError(WavecoreError):
    """A file, an array or a data set that cannot be used (exit code 3)."""

    exit_code = 3


class ModelError(WavecoreError):
    """A model is missing, corrupt, or of the wrong kind (exit code 4)."""

    exit_code = 4


class DeviceError(WavecoreError):
    """A device or backend is missing, cannot run this, or ran out of memory (exit code 5)."""

    exit_code = 5


class OutputExistsError(WavecoreError):
    """The output is there already and nobody asked to replace it (exit code 6)."""

    exit_code = 6


class PartialFailureError(WavecoreError):
    """Some items of a batch failed, the others are done (exit code 7)."""

    exit_code = 7
