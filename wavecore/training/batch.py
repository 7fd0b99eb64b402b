"""What all batches have in common: they are made on the CPU, and learnt from where the network is."""

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
