"""Layout and checks of packed weights."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from kernel_networks import CONFIGS, NAMES, make_state, network

from wavecore.errors import ModelError
from wavecore.kernels.packing import pack


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_is_where_the_layout_has_it(name):
    config = CONFIGS[name]
    state = make_state(config)
    packed = pack(state, config)
    n_layers, r, g = len(config.dilations), config.residual_channels, config.gate_channels
    h = config.head_channels
    assert packed.n_layers == n_layers and packed.dilations == config.dilations
    for i in range(n_layers):
        columns = slice(2 * g * i, 2 * g * (i + 1))
        parts = {
            "filter.weight": packed.filter_weight[i],
            "filter.bias": packed.condition_bias[columns],
            "condition.weight": packed.condition_weight[:, columns],
            "skip.weight": packed.residual_skip_weight[i, :, r:],
            "skip.bias": packed.residual_skip_bias[i, r:],
            "residual.weight": packed.residual_skip_weight[i, :, :r],
            "residual.bias": packed.residual_skip_bias[i, :r],
        }
        for part, array in parts.items():
            want = state.get(f"layers.{i}.{part}", torch.zeros(array.shape))
            np.testing.assert_array_equal(array, want.numpy())
    assert packed.condition_weight.shape[1] == n_layers * 2 * g + h
    np.testing.assert_array_equal(packed.condition_weight[:, -h:], state["head_condition.weight"].numpy())
    np.testing.assert_array_equal(packed.condition_bias[-h:], state["head.bias"].numpy())
    np.testing.assert_array_equal(packed.head_weight, state["head.weight"].numpy())
    np.testing.assert_array_equal(packed.output_weight, state["output.weight"].numpy())
    np.testing.assert_array_equal(packed.output_bias, state["output.bias"].numpy())


def test_first_matrix_starts_both_streams():
    config = CONFIGS["kernel3"]
    state = make_state(config)
    packed = pack(state, config)
    scalars = np.array([0.1, -0.4, 0.3])
    first = scalars @ state["first.weight"].double().numpy() + state["first.bias"].double().numpy()
    skip = first @ state["first_skip.weight"].double().numpy() + state["first_skip.bias"].double().numpy()
    got = scalars @ packed.first_weight + packed.first_bias
    np.testing.assert_allclose(got, np.concatenate([first, skip]), rtol=0, atol=1e-6)


def test_arrays_are_contiguous_float32_read_only_copies():
    state = {name: tensor.double() for name, tensor in make_state(CONFIGS["odd"]).items()}
    packed = pack(state, CONFIGS["odd"])
    before = packed.head_weight.copy()
    state["head.weight"].zero_()
    np.testing.assert_array_equal(packed.head_weight, before)
    arrays = [v for v in vars(packed).values() if isinstance(v, np.ndarray)]
    assert len(arrays) == 10
    for array in arrays:
        assert array.dtype == np.float32 and array.flags.c_contiguous and not array.flags.writeable


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_float_dtype_gives_its_float32_values(dtype):
    state = {name: tensor.to(dtype) for name, tensor in make_state(CONFIGS["few"]).items()}
    packed = pack(state, CONFIGS["few"])
    np.testing.assert_array_equal(packed.output_weight, state["output.weight"].float().numpy())


def test_state_may_be_transposed_or_need_gradients():
    state = make_state(CONFIGS["odd"])
    want = pack(state, CONFIGS["odd"])
    state["head.weight"] = state["head.weight"].t().contiguous().t().requires_grad_()
    np.testing.assert_array_equal(pack(state, CONFIGS["odd"]).head_weight, want.head_weight)


def test_derived_sizes():
    packed = network("kernel3")  # dilations 1 2 4 1 2
    assert packed.ring_slots == (3, 5, 9, 3, 5)
    assert packed.receptive_field == 2 * 11 + 1
    r, g, s, h, a = 40, 24, 33, 29, 256
    assert packed.n_weights == 3 * (r + s) + 5 * (3 * r * 2 * g + g * (r + s)) + s * h + h * a


@pytest.mark.parametrize("name", ["first.weight", "layers.3.condition.weight", "layers.7.skip.bias", "output.bias"])
def test_wrong_shape_names_tensor_and_both_shapes(name):
    state = make_state(CONFIGS["odd"])
    want = tuple(state[name].shape)
    state[name] = torch.cat([state[name], state[name]])
    with pytest.raises(ModelError) as error:
        pack(state, CONFIGS["odd"])
    assert all(str(part) in str(error.value) for part in (name, tuple(state[name].shape), want))


def test_missing_and_unexpected_tensors_are_named():
    state = make_state(CONFIGS["odd"])
    moved = {**state, "layers.7.residual.weight": torch.zeros(40, 24)}
    with pytest.raises(ModelError, match="layers.7.residual.weight"):
        pack(moved, CONFIGS["odd"])
    del state["head.bias"]
    with pytest.raises(ModelError, match="head.bias"):
        pack(state, CONFIGS["odd"])
    with pytest.raises(ModelError, match="first.bias"):
        pack({}, CONFIGS["odd"])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_weights_that_are_not_finite_are_refused(value):
    state = {name: tensor.double() for name, tensor in make_state(CONFIGS["odd"]).items()}
    state["layers.2.skip.weight"][3, 1] = value
    with pytest.raises(ModelError, match="layers.2.skip.weight .*1 of 680"):
        pack(state, CONFIGS["odd"])


def test_integer_weights_are_refused():
    state = make_state(CONFIGS["odd"])
    state["head.bias"] = torch.zeros(29, dtype=torch.int64)
    with pytest.raises(ModelError, match="head.bias .*int64"):
        pack(state, CONFIGS["odd"])


BAD_SIZES = {
    "kernel_size": [0],
    "residual_channels": [-1],
    "hop_length": [1.5],
    "n_classes": [1, 257],
    "gate_channels": [True],
    "dilations": [(), (1, 0), (1, 2.0)],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in BAD_SIZES for value in BAD_SIZES[field]])
def test_sizes_that_make_no_sense_are_refused(field, value):
    with pytest.raises(ModelError, match=field):
        pack({}, dataclasses.replace(CONFIGS["odd"], **{field: value}))


def test_a_config_of_something_else_is_refused():
    with pytest.raises(ModelError, match="kernel_size"):
        pack({}, object())
