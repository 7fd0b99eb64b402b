"""Several processes that train one network: the same weights everywhere, a share of every batch each.

``torchrun`` starts the processes and introduces them to each other through the environment.  All of
them draw the same batch of a step and keep every n-th crop of it, their gradients are averaged,
and so n processes take the same steps as one (but for rounding).  The first of them alone writes.
On two cores of a CPU two processes beat two threads: a thread waits after every product.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from wavecore.errors import DeviceError, UsageError

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

    def average_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Replace gradients by their means over the processes.

        Parameters
        ----------
        parameters : sequence of Parameter, any shapes
            The same everywhere.  Where one has a gradient in some processes alone, it is 0 in the
            others; where it has none at all, it stays without.
        """
        if self.size == 1:
            return
        used = torch.tensor(
            [parameter.grad is not None for parameter in parameters], dtype=torch.float32, device=_device()
        )
        distributed.all_reduce(used)
        for parameter, count in zip(parameters, used.tolist(), strict=True):
            if count and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self.average([parameter.grad for parameter in parameters if parameter.grad is not None])

    def sum_value(self, value: float) -> float:
        """Add a number up over the processes."""
        return self.mean_values({"value": value})["value"] * self.size

    def mean_values(self, values: dict[str, float]) -> dict[str, float]:
        """Average numbers over the processes.

        Parameters
        ----------
        values : dict of str to float
            The same names everywhere.
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

    def collect(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Bring tensors that processes hold apart to the first one; all of them call it.

        Parameters
        ----------
        tensors : dict of str to Tensor
            This process's; of the same name in several, the first process's is kept.

        Returns
        -------
        dict of str to Tensor
            In the first process everybody's, those of the others on the CPU; in the others ``tensors``.
        """
        found = dict(tensors)
        for sender in range(1, self.size):
            described = [(name, list(tensor.shape), str(tensor.dtype)) for name, tensor in tensors.items()]
            for name, shape, dtype in self._broadcast(described, sender):
                if self.rank == sender:
                    distributed.send(tensors[name].detach().to(_device()).contiguous(), 0)
                elif self.leads:
                    received = torch.empty(shape, dtype=getattr(torch, dtype.removeprefix("torch.")), device=_device())
                    distributed.recv(received, sender)
                    found.setdefault(name, received.cpu())
        return found

    def gather(self, values: dict[str, float]) -> list[dict[str, float]]:
        """Tell every process everybody's numbers.

        Returns
        -------
        list of dict of str to float
            In the order of the processes.
        """
        return [values] if self.size == 1 else [self._broadcast(values, sender) for sender in range(self.size)]

    def _broadcast(self, value: Any, sender: int) -> Any:
        """Send one process's value to all, as JSON: nothing between processes is unpickled."""
        text = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8).to(_device())
        length = torch.tensor(len(text), device=_device())
        distributed.broadcast(length, sender)
        if self.rank != sender:
            text = torch.empty(int(length), dtype=torch.uint8, device=_device())
        distributed.broadcast(text, sender)
        return json.loads(bytes(text.cpu().numpy()))

    def agree(self, number: int) -> int:
        """Return the first process's number."""
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

    Raises
    ------
    DeviceError
        If another process ends before its time.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield ALONE
        return
    if distributed.is_initialized():  # a caller has joined already
        yield current()
        return
    store, rank, size = next(distributed.rendezvous("env://"))
    # After a restart the store still holds the addresses of the processes that are gone.
    store = distributed.PrefixStore(f"start{restarts()}", store)
    try:
        distributed.init_process_group(
            "nccl" if device.startswith("cuda") else "gloo", store=store, rank=rank, world_size=size
        )
        yield current()
        distributed.barrier()  # who leaves early breaks the others' connections
    except RuntimeError as error:
        if isinstance(error, distributed.DistError) or "gloo" in str(error):
            raise DeviceError(
                f"another process of this run was lost: {error}; torchrun --max-restarts N starts them anew"
            ) from error
        raise
    finally:
        if distributed.is_initialized():  # not if the others were lost before all had met
            distributed.destroy_process_group()


def current() -> Processes:
    """Return the processes that were joined, or this one alone."""
    if not distributed.is_initialized():
        return ALONE
    return Processes(distributed.get_rank(), distributed.get_world_size())


def job() -> str | None:
    """Return the name that ``torchrun`` gave this job, the same after a restart.

    Returns
    -------
    str or None
        None without ``torchrun``.
    """
    return os.environ.get("TORCHELASTIC_RUN_ID")


def restarts() -> int:
    """Return how often ``torchrun`` has started this job's processes anew."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def own_device(device: str) -> str:
    """Give each process of a machine a GPU of its own.

    Parameters
    ----------
    device : str
        ``cuda`` without a number becomes ``cuda:N``, N the process's number on this machine.
    """
    number = os.environ.get("LOCAL_RANK")
    return f"cuda:{number}" if device == "cuda" and number is not None else device


def _device() -> str:
    """Where tensors must lie to be sent."""
    return "cuda" if distributed.get_backend() == "nccl" else "cpu"
