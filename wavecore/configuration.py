"""Configurations: frozen dataclasses whose fields carry their default, bounds and help text, each written once.

The command line, ``--set``, recipes, stored models and checkpoints all read a field's description from here.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Self

from wavecore.errors import UsageError


def option(
    default: Any,
    help: str,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    choices: tuple = (),
    formerly: str = "",
) -> Any:
    """Describe a field of a configuration.

    Parameters
    ----------
    default : object
        The field's default; ``dataclasses.MISSING`` where a value is required.
    help : str
        What the field does, with its unit, for ``--help`` and ``--set``.
    least, above, most : float, optional
        Inclusive lower, exclusive lower and inclusive upper bound.
    choices : tuple
        The values allowed; any within the bounds if empty.
    formerly : str
        The field's name in files of earlier versions, which are still read.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Size(Config):
    ...     channels: int = option(64, "width of the convolutions", least=1)
    >>> Size(channels=0)
    Traceback (most recent call last):
    ...
    wavecore.errors.UsageError: channels must be at least 1, not 0
    """
    metadata = {"help": help, "least": least, "above": above, "most": most, "choices": choices, "formerly": formerly}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Config:
    """Base of configurations: bounds are checked, plain dictionaries go in and out."""

    ignored: typing.ClassVar[frozenset[str]] = frozenset()
    """Keys of earlier versions that no longer have a meaning; ``from_dict`` passes over them."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):
                object.__setattr__(self, field.name, tuple(value))
            _check(field.name, value, field.metadata)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values; tuples stay tuples, which JSON writes as lists."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build a configuration from what ``to_dict`` returned, in this version or an earlier one.

        Raises
        ------
        UsageError
            If a key is unknown, a required one is missing, or a value is out of its range.
        """
        kinds = typing.get_type_hints(cls)
        fields = {field.name: field for field in dataclasses.fields(cls)}
        names = _names(cls)
        values = {names.get(key, key): value for key, value in values.items() if key in names or key not in cls.ignored}
        unknown = sorted(set(values) - set(fields))
        if unknown:
            raise UsageError(f"{cls.__name__} has no {', '.join(unknown)}; it has {', '.join(fields)}")
        try:
            return cls(**{name: _convert(value, kinds[name]) for name, value in values.items()})
        except TypeError as error:  # a required field is missing
            raise UsageError(f"{cls.__name__}: {error}") from error


def with_settings(config: Any, settings: Iterable[str]) -> Any:
    """Apply ``key=value`` texts to a configuration.

    Parameters
    ----------
    config : Config
        A frozen dataclass with plain fields.
    settings : iterable of str
        As given to ``--set``; a value takes the type of its field.

    Raises
    ------
    UsageError
        If a key is unknown, or a value has another type or is out of its range.
    """
    fields, names, values = {field.name for field in dataclasses.fields(config)}, _names(config), {}
    for setting in settings:
        key, _, text = setting.partition("=")
        name = names.get(key, key)
        if name not in fields:
            raise UsageError(
                f"there is no setting {key!r}; choose from"
                f" {', '.join(field.name for field in dataclasses.fields(config))}"
            )
        kind = type(getattr(config, name))
        try:
            values[name] = _parse(text, kind)
        except ValueError as error:
            raise UsageError(f"{key} takes a {kind.__name__}, not {text!r}") from error
    return dataclasses.replace(config, **values)


def describe_fields(config: type[Config] | Config) -> list[str]:
    """Return one line for each field: its name, its default and what it does.

    Parameters
    ----------
    config : Config or a subclass
        An instance shows its values, a class its defaults.
    """
    lines = []
    for field in dataclasses.fields(config):
        default = field.default if isinstance(config, type) else getattr(config, field.name)
        shown = (
            "required"
            if default is dataclasses.MISSING
            else str(default).lower()
            if default is True or default is False
            else default
        )
        choices = field.metadata.get("choices")
        among = f" ({', '.join(map(str, choices))})" if choices else ""
        lines.append(f"{field.name}={shown}: {field.metadata.get('help', '')}{among}")
    return lines


def _names(config: Any) -> dict[str, str]:
    """Map every name that a field has or had to the field."""
    fields = dataclasses.fields(config)
    former = {field.metadata["formerly"]: field.name for field in fields if field.metadata.get("formerly")}
    return {field.name: field.name for field in fields} | former


def _check(name: str, value: Any, metadata: Mapping[str, Any]) -> None:
    """Refuse a value outside of its field's bounds."""
    least, above, most, choices = (metadata.get(key) for key in ("least", "above", "most", "choices"))
    if choices and value not in choices:
        raise UsageError(f"{name} must be one of {', '.join(map(str, choices))}, not {value!r}")
    if least is not None and most is not None and not least <= value <= most:
        raise UsageError(f"{name} must lie between {least:g} and {most:g}, not {value}")
    if least is not None and not value >= least:
        raise UsageError(f"{name} must be at least {least:g}, not {value}")
    if above is not None and not value > above:
        raise UsageError(f"{name} must be above {above:g}, not {value}")
    if most is not None and not value <= most:
        raise UsageError(f"{name} must be at most {most:g}, not {value}")


def _convert(value: Any, kind: Any) -> Any:
    """Turn a plain value into a nested configuration or a tuple of them where the field's type says so."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(value, list | tuple) and origin is tuple:
        return tuple(_convert(item, arguments[0]) for item in value)
    if isinstance(value, Mapping) and isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return kind.from_dict(value) if issubclass(kind, Config) else kind(**value)
    return value


def _parse(text: str, kind: type) -> Any:
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    return kind(text)
