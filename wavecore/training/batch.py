"""Base of batches: made on the CPU, moved to the device of the network."""

from __future__ import annotations

from typing import Self

import torch


class TensorBatch:
    """A base of frozen dataclasses whose fields are all tensors."""

    def to(self, device: torch.device | str) -> Self:
        """Copy every tensor to a device.

        Returns
        -------
        TensorBatch
            Of the same class.
        """
        return type(self)(*(getattr(self, name).to(device, non_blocking=True) for name in self.__dataclass_fields__))
