"""Several processes that train one network: the same weights everywhere, a share of every batch each.

``torchrun`` starts the processes and tells them of each other through the environment.  All of
them draw the same batch of a step and keep every n-th crop of it, their gradients are averaged,
and so n processes take the same steps as one (but for rounding).  The first of them alone writes.
On two cores of a CPU two processes beat two threads: a thread waits after every product.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TypeVar

import torch
from torch import Tensor, distributed

from wavecore.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """The processes of a run, seen from one of them.

    Attributes
    ----------
    rank : int
        This one's number, 0 to ``size`` - 1.
    size : int
        How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that validates, reports and writes."""
        return self.rank == 0

    def share(self, batch: T) -> T:
        """Keep this process's crops of a batch.

        Parameters
        ----------
        batch : dataclass of Tensors
            The first axis of each is that of crops.

        Returns
        -------
        dataclass
            Every ``size``-th crop, from the ``rank``-th on.

        Raises
        ------
        UsageError
            If the crops cannot be shared evenly.
        """
        if self.size == 1:
            return batch
        tensors = {field.name: getattr(batch, field.name) for field in fields(batch)}
        for name, tensor in tensors.items():
            if len(tensor) % self.size:
                raise UsageError(f"{len(tensor)} crops ({name}) cannot be shared evenly by {self.size} processes")
        return type(batch)(**{name: tensor[self.rank :: self.size] for name, tensor in tensors.items()})

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their means over the processes, in place.

        Parameters
        ----------
        tensors : sequence of Tensor
            Of the same shapes everywhere, on one device.
        """
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])
        distributed.all_reduce(flat)
        flat /= self.size
        for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.detach().copy_(mean.view_as(tensor))

    def mean_values(self, values: dict[str, float]) -> dict[str, float]:
        """Average numbers over the processes.

        Parameters
        ----------
        values : dict of str to float
            The same names everywhere.

        Returns
        -------
        dict of str to float
        """
        if self.size == 1:
            return values
        numbers = torch.tensor(list(values.values()), dtype=torch.float64, device=_device())
        distributed.all_reduce(numbers)
        return dict(zip(values, (numbers / self.size).tolist(), strict=True))

    def spread(self, tensors: Sequence[Tensor]) -> None:
        """Give every process the first one's values, in place.

        Parameters
        ----------
        tensors : sequence of Tensor
            Of the same shapes everywhere.
        """
        if self.size > 1:
            for tensor in tensors:
                held = tensor.detach().to(_device(), copy=True)
                distributed.broadcast(held, 0)
                tensor.detach().copy_(held)

    def agree(self, number: int) -> int:
        """Return the first process's number.

        Parameters
        ----------
        number : int

        Returns
        -------
        int
        """
        found = torch.tensor(number)
        self.spread([found])
        return int(found)

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            distributed.barrier()


ALONE = Processes()


@contextmanager
def join(device: str = "cpu") -> Iterator[Processes]:
    """Meet the other processes that ``torchrun`` started, if it did.

    Parameters
    ----------
    device : str
        Where this process trains; gloo connects processors, nccl GPUs.

    Yields
    ------
    Processes
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield ALONE
        return
    if distributed.is_initialized():  # a caller has joined already
        yield current()
        return
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield current()
        distributed.barrier()  # who leaves early breaks the others' connections
    finally:
        distributed.destroy_process_group()


def current() -> Processes:
    """Return the processes that were joined, or this one alone.

    Returns
    -------
    Processes
    """
    if not distributed.is_initialized():
        return ALONE
    return Processes(distributed.get_rank(), distributed.get_world_size())


def own_device(device: str) -> str:
    """Give each process of a machine a GPU of its own.

    Parameters
    ----------
    device : str
        ``cuda`` without a number becomes ``cuda:N``, N the process's number on this machine.

    Returns
    -------
    str
    """
    number = os.environ.get("LOCAL_RANK")
    return f"cuda:{number}" if device == "cuda" and number is not None else device


def _device() -> str:
    """Where tensors must lie to be sent."""
    return "cuda" if distributed.get_backend() == "nccl" else "cpu"
