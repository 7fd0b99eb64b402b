"""Configurations: bounds, plain dictionaries, names of earlier versions, settings as text."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.configuration import Config, describe_fields, option, with_settings
from wavecore.errors import UsageError


@dataclass(frozen=True)
class Inner(Config):
    width: int = option(2, "width of a layer", least=1)


@dataclass(frozen=True)
class Outer(Config):
    ignored: ClassVar[frozenset[str]] = frozenset({"bygone"})

    name: str
    sizes: tuple[int, ...] = option((1, 2), "sizes of layers")
    rate: float = option(0.5, "learning rate", above=0, formerly="speed")
    share: float = option(0.1, "share of crops", least=0, most=1)
    kind: str = option("a", "kind of layer", choices=("a", "b"))
    deep: bool = option(False, "more layers")
    inner: Inner = field(default_factory=Inner)


@pytest.mark.parametrize(
    ("values", "offending"),
    [
        ({"rate": 0}, "0"),
        ({"rate": float("nan")}, "nan"),
        ({"share": 1.5}, "1.5"),
        ({"share": -0.1}, "-0.1"),
        ({"kind": "c"}, "'c'"),
        ({"inner": {"width": 0}}, "width"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_value_that_cannot_be_is_named(values, offending):
    with pytest.raises(UsageError, match=offending):
        Outer.from_dict({"name": "x"} | values)


def test_a_required_field_is_missed():
    with pytest.raises(UsageError, match="name"):
        Outer.from_dict({})


names = st.text(max_size=5)
sizes = st.lists(st.integers(0, 99), max_size=4).map(tuple)


@pytest.mark.slow
@given(names, sizes, st.floats(1e-6, 1e6), st.floats(0, 1), st.sampled_from("ab"), st.booleans(), st.integers(1, 99))
def test_a_configuration_comes_back_from_json(name, sizes, rate, share, kind, deep, width):
    config = Outer(name, sizes, rate, share, kind, deep, Inner(width))
    assert Outer.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_files_of_earlier_versions_are_read():
    assert Outer.from_dict({"name": "x", "speed": 2.0, "bygone": 3}) == Outer("x", rate=2.0)


def test_settings_are_texts_of_the_fields_types():
    config = with_settings(Outer("x"), ["rate=1e-3", "deep=True", "kind=b", "share=1"])
    assert config == Outer("x", rate=1e-3, deep=True, kind="b", share=1.0)
    assert with_settings(Outer("x"), ["speed=2"]).rate == 2


@pytest.mark.parametrize("setting", ["depth=2", "rate=fast", "deep=2", "share=2", "rate"])
def test_a_setting_that_cannot_be_is_named(setting):
    with pytest.raises(UsageError, match=setting.partition("=")[0]):
        with_settings(Outer("x"), [setting])


def test_every_field_is_described_with_its_default():
    lines = describe_fields(Outer)
    assert [line.partition("=")[0] for line in lines] == [item.name for item in dataclasses.fields(Outer)]
    assert "rate=0.5: learning rate" in lines and "kind=a: kind of layer (a, b)" in lines
    assert describe_fields(Outer("x", rate=2.0))[2] == "rate=2.0: learning rate"
