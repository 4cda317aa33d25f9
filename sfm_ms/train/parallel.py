"""Training by several processes: what they sum and send to each other, and updates that they share out (ZeRO, stage 1).

Few large messages instead of one for each parameter: tensors are laid end to end and cut again afterwards. Messages follow one
another in the same order on all ranks.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import mindspore
import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops

from sfm_ms.recipe.schema import Optimizer
from sfm_ms.train.checkpoint import restore
from sfm_ms.train.choices import update_of
from sfm_ms.train.optim import in_order, kinds_of_state

T = TypeVar("T")
MESSAGE = 2**23  # numbers at most, unless one tensor alone has more


class Ranks:
    """This process among those that msrun started: `rank` of `world`; 0 of 1 where it runs on its own."""

    def __init__(self):
        self.rank, self.world = 0, 1
        if "MS_ROLE" in os.environ:
            self.rank, self.world = mindspore.communication.get_rank(), mindspore.communication.get_group_size()
        self.all_reduce = SumOverRanks(self.world)
        self.senders = [FromRank(rank) for rank in range(self.world)]

    def in_turn(self, action: Callable[[], T]) -> T:
        """What the action gives, on rank 0 first, so that others find the files that it makes. All must call it."""
        if self.rank == 0:
            result = action()
        self.total([0.0])
        return result if self.rank == 0 else action()

    def total(self, values: Sequence[float]) -> np.ndarray:
        """Sums over the ranks, float32, the same on each: what they decide by it they decide alike. All must call it."""
        return self.all_reduce(Tensor(np.asarray(values, np.float32))).asnumpy()

    def received(self, owner: int, numbers: np.ndarray) -> np.ndarray:
        """Of a vector in float32 the owner's numbers, on every rank. All must call it, with vectors of one length."""
        if self.world == 1:
            return numbers
        pieces = np.zeros((-(-numbers.size // MESSAGE), min(MESSAGE, numbers.size)), np.float32)
        pieces.ravel()[: numbers.size] = numbers
        return np.concatenate([self.senders[owner](Tensor(piece)).asnumpy() for piece in pieces])[: numbers.size]


class SumOverRanks(nn.Cell):
    """x, float32 -> its sum over the ranks."""

    def __init__(self, world: int):
        super().__init__()
        self.all_reduce = ops.AllReduce() if world > 1 else None

    def construct(self, x):
        return x if self.all_reduce is None else self.all_reduce(x)


class FromRank(nn.Cell):
    """x -> that of one rank."""

    def __init__(self, rank: int):
        super().__init__()
        self.broadcast = ops.Broadcast(rank)

    def construct(self, x):
        return self.broadcast((x,))[0]


class Message(nn.Cell):
    """(what must have happened before) -> what arrived; puts it into the parameters, which are all of one type."""

    def __init__(self, parameters: Sequence[Parameter], transfer: nn.Cell):
        super().__init__(auto_prefix=False)  # parameters keep their names
        self.parameters, self.transfer = ParameterTuple(parameters), transfer
        self.starts = np.cumsum([0, *(parameter.size for parameter in parameters)]).tolist()

    def construct(self, before):
        flat = ops.concat([parameter.reshape(-1) for parameter in self.parameters])
        flat = self.transfer(ops.depend(flat, before))
        for i, parameter in enumerate(self.parameters):
            ops.assign(parameter, ops.slice(flat, (self.starts[i],), (parameter.size,)).reshape(parameter.shape))
        return flat


class Messages(nn.Cell):
    """() -> (), one message after the other. All ranks must call it."""

    def __init__(self, sent: Sequence[Message]):
        super().__init__(auto_prefix=False)
        self.sent = nn.CellList(sent, auto_prefix=False)

    def construct(self):
        last = Tensor(0.0, mindspore.float32)
        for message in self.sent:
            last = message(last)
        return ops.depend(Tensor(True), last)


def sums(parameters: Sequence[Parameter], ranks: Ranks) -> Messages:
    """Makes each parameter, in float32, its sum over the ranks."""
    return Messages([Message(group, SumOverRanks(ranks.world)) for group in groups(parameters)])


def exchange(parameters: Sequence[Parameter], owners: Sequence[int]) -> Messages:
    """Gives each parameter the value that it has on the rank that owns it."""
    sent = []
    for owner in sorted(set(owners)):
        own = [parameter for parameter, rank in zip(parameters, owners, strict=True) if rank == owner]
        sent += [Message(group, FromRank(owner)) for group in groups(own)]
    return Messages(sent)


def broadcast(parameters: Sequence[Parameter], ranks: Ranks) -> None:
    """Give each parameter the value that it has on rank 0: what ranks were given apart must not keep them apart."""
    if ranks.world > 1:
        exchange(parameters, [0] * len(parameters))()


def groups(parameters: Sequence[Parameter]) -> Iterator[list[Parameter]]:
    """In order, as many as a message takes, each time of one type."""
    group: list[Parameter] = []
    for parameter in parameters:
        is_full = group and sum(one.size for one in group) + parameter.size > MESSAGE
        if is_full or (group and group[0].dtype != parameter.dtype):
            yield group
            group = []
        group.append(parameter)
    if group:
        yield group


def shares(sizes: Sequence[int], world: int) -> list[int]:
    """An owner for each size, so that none has much more than another: the largest first, to who has the least."""
    owners, loads = [0] * len(sizes), [0] * world
    for place in sorted(range(len(sizes)), key=lambda place: -sizes[place]):
        owners[place] = loads.index(min(loads))
        loads[owners[place]] += sizes[place]
    return owners


class ShardedUpdate:
    """(learning rate, *gradients, the same on all ranks) -> norm, as Update does; each rank computes that of its own parameters.

    So moments and master copies are kept once among all ranks, not by each: P_os in Rajbhandari et al. 2020, section 5.1, with
    whole parameters for shares. All ranks must call all of its methods.
    """

    def __init__(self, parameters: Sequence[Parameter], config: Optimizer, ranks: Ranks):
        ordered, self.ranks = in_order(parameters), ranks
        self.owners = shares([parameter.size for parameter in ordered], ranks.world)
        owned = [place for place, owner in enumerate(self.owners) if owner == ranks.rank]
        self.update = update_of(ordered, config, owned)
        self.parameters_in_order = self.update.parameters_in_order
        self.exchange = exchange(ordered, self.owners)

    def __call__(self, rate: Tensor, *gradients: Tensor) -> Tensor:
        norm = self.update(rate, *gradients)
        if self.ranks.world > 1:
            self.exchange()
        return norm

    def arrays(self) -> dict[str, np.ndarray]:
        """The whole state by name, on every rank, whatever their number: for a checkpoint."""
        own, whole = self.update.state(), {}
        whole["num_updates"] = own["num_updates"].asnumpy()
        for owner in range(self.ranks.world):
            shapes = self._shapes(owner)
            numbers = np.zeros(sum(map(math.prod, shapes.values())), np.float32)
            if owner == self.ranks.rank:
                numbers = np.concatenate([own[name].asnumpy().ravel() for name in shapes])
            pieces = np.split(self.ranks.received(owner, numbers), np.cumsum([math.prod(s) for s in shapes.values()])[:-1])
            whole |= {name: piece.reshape(shape) for (name, shape), piece in zip(shapes.items(), pieces, strict=True)}
        return whole

    def restore(self, whole: Mapping[str, np.ndarray]) -> None:
        """Raises CheckpointError where the rank's own part of the state is not there or has another shape."""
        own = self.update.state()
        restore(own, {name: whole[name] for name in own if name in whole})

    def _shapes(self, owner: int) -> dict[str, tuple[int, ...]]:
        """Of what the owner keeps, in its order."""
        own = [parameter for parameter, rank in zip(self.parameters_in_order, self.owners, strict=True) if rank == owner]
        return {f"{kind}.{parameter.name}": parameter.shape for parameter in own for kind in kinds_of_state(parameter)}
