"""The same workers on the nodes of a Ray cluster, or of one that is made here for the run.

An actor on a node owns one worker process and does nothing else, so a crash and a time limit are
what they are with worker processes here; what Ray adds is where they run, shares of GPUs, and that
a node may go. Nodes see the same files under the same paths (a shared file system), and have
talkbench installed. Records come back to the command, which alone writes them.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from evaluation.engines import ray_connection
from evaluation.engines.base import (
    Asked,
    EngineError,
    Tell,
    Waiting,
    died_twice,
    over_the_limit,
    silent,
)
from evaluation.engines.worker import Answer, Worker

U = TypeVar("U")
R = TypeVar("R")

_LOSSES = 3
"""As often a unit goes on to another node; a unit that every node goes down with is lost."""
_PATIENCE_S = 30.0
"""Until it is told that the cluster gives no worker a place."""


def ray_cluster(asked: Asked) -> RayCluster:
    """Actors of a cluster.

    Raises:
        UnusableInputError: Ray is not installed, there is no such cluster, or no GPU to share.
    """
    ray_connection.check(asked.address, asked.gpus_per_worker)
    return RayCluster(
        asked.workers,
        clip_timeout=asked.clip_timeout,
        address=asked.address,
        gpus_per_worker=asked.gpus_per_worker,
    )


class Host:
    """An actor: one worker process, on the node that Ray chose.

    Args:
        work: What to do with a unit, pickled.
        folder: Of the command, which relative paths begin at.
        path: Where the command imports from.
        clip_timeout: Seconds that a unit may take, or None.
    """

    def __init__(
        self, work: bytes, folder: str, path: list[str], clip_timeout: float | None
    ) -> None:
        os.chdir(folder)
        sys.path.extend(p for p in path if p not in sys.path)
        self._work = work
        self._limit = clip_timeout
        self._worker: Worker | None = None

    def start(self) -> Answer:
        """Bring the worker up; what it says first."""
        threads = int(os.environ.get("OMP_NUM_THREADS") or 1)
        self._worker = Worker(self._work, threads, {})
        return self._worker.heard(None) or Answer("died", text="nothing was heard of it")

    def do(self, unit: bytes) -> Answer | None:
        """A unit by the worker; None where it is over the limit.

        The worker is gone afterwards if it died or was ended: it is to be started again.
        """
        if self._worker is None:
            return Answer("died", text="it was not started")
        self._worker.give(unit)
        answer = self._worker.heard(self._limit)
        if answer is None:
            self._worker.kill()
        if answer is None or answer.kind == "died":
            self._worker = None
        return answer

    def where(self) -> tuple[str, int]:
        """Address of the node, and the worker's pid there."""
        import ray

        host = str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call,unused-ignore]
        return host, self._worker.pid if self._worker is not None else 0

    def leave(self) -> None:
        """Let the worker go: all is done."""
        if self._worker is not None:
            self._worker.dismiss()
            self._worker.leave()
            self._worker = None


@dataclass(frozen=True)
class RayCluster:
    """Actors of a Ray cluster.

    Attributes:
        workers: Actors, one CPU each.
        clip_timeout: Seconds that a unit may take, loading weights included.
        address: Of a cluster that is there (``auto``, ``ray://...``, ``HOST:PORT``); None makes one
            on this machine, which listens on the loopback only and ends with the run.
        gpus_per_worker: 0.5: two workers share a GPU.
    """

    workers: int = 1
    clip_timeout: float | None = None
    address: str | None = None
    gpus_per_worker: float = 0.0

    def each(
        self,
        work: Callable[[U], R],
        units: Sequence[U],
        lose: Callable[[U, str], R],
        tell: Tell = silent,
    ) -> Generator[tuple[U, R], None, None]:
        """See :meth:`evaluation.engines.base.Engine.each`.

        Raises:
            UnusableInputError: Ray is not installed, or there is no such cluster.
        """
        ray = ray_connection.package(alone=self.address is None)
        ours = not ray.is_initialized()
        if ours and self.address is not None:
            ray_connection.join(ray, self.address)
        elif ours:
            ray_connection.begin(ray, self.workers, self.gpus_per_worker)
        crew: _Crew[U] = _Crew(ray, self, pickle.dumps(work), units, tell)
        try:
            with ray_connection.interrupts_kept() as raise_again:
                while crew.busy():
                    ended = crew.turn()
                    raise_again()
                    for unit, answer, reason in ended:
                        yield unit, (lose(unit, reason) if answer is None else answer.result())
            crew.leave()
        finally:
            crew.kill()
            if ours:
                ray.shutdown()


@dataclass
class _Post(Generic[U]):
    """A place in the crew: an actor, what it is asked at the moment, and of which unit."""

    number: int
    actor: Any
    asked: Any
    doing: str = "start"
    unit: U | None = None
    attempt: int = 0
    since: float = field(default_factory=time.monotonic)


class _Crew(Generic[U]):
    """The actors of one call."""

    def __init__(
        self,
        ray: Any,  # noqa: ANN401 - the module
        engine: RayCluster,
        work: bytes,
        units: Sequence[U],
        tell: Tell,
    ) -> None:
        self._ray = ray
        self._engine = engine
        self._work = ray.put(work)
        self._waiting = Waiting(units)
        self._losses: dict[int, int] = {}
        self._tell = tell
        self._posts = [self._post(n) for n in range(1, min(engine.workers, len(units)) + 1)]

    def busy(self) -> bool:
        """Whether anything is left to do or to wait for."""
        return bool(self._waiting) or any(p.doing == "unit" for p in self._posts)

    def turn(self) -> list[tuple[U, Answer | None, str]]:
        """Wait, and tell which units ended; one without an answer is lost, and why."""
        for post in self._posts:
            self._give(post)
        pending = {p.asked: p for p in self._posts if p.doing != "idle"}
        ready, _ = self._ray.wait(list(pending), timeout=1.0)
        self._complain()
        ended = []
        for reference in ready:
            ended += self._hear(pending[reference])
        return ended

    def leave(self) -> None:
        """All is done."""
        leaving = [p.actor.leave.remote() for p in self._posts if p.doing == "idle"]
        self._ray.wait(leaving, num_returns=len(leaving), timeout=_PATIENCE_S)

    def kill(self) -> None:
        """Stop at once."""
        for post in self._posts:
            self._ray.kill(post.actor)
        self._posts = []

    def _post(self, number: int) -> _Post[U]:
        options = {"num_cpus": 1, "num_gpus": self._engine.gpus_per_worker, "max_restarts": 0}
        actor = (
            self._ray.remote(Host)
            .options(**options)
            .remote(self._work, str(Path.cwd()), sys.path, self._engine.clip_timeout)
        )
        return _Post(number, actor, actor.start.remote())

    def _give(self, post: _Post[U]) -> None:
        if post.doing != "idle":
            return
        found = self._waiting.take(sum(p.doing == "unit" for p in self._posts))
        if found is not None:
            post.unit, post.attempt = found
            post.doing = "unit"
            self._tell("unit started", post.unit, worker=post.number, attempt=post.attempt)
            post.asked = post.actor.do.remote(pickle.dumps(post.unit))

    def _hear(self, post: _Post[U]) -> list[tuple[U, Answer | None, str]]:
        doing, unit, attempt = post.doing, post.unit, post.attempt
        post.doing, post.unit = "idle", None
        try:
            answer: Answer | None = self._ray.get(post.asked)
        except self._ray.exceptions.RayActorError as error:
            return self._lost_node(post, unit, attempt, str(error).strip().splitlines()[0])
        if doing == "start":
            self._hear_start(post, answer)
            return []
        if unit is None:
            return []
        if answer is not None and answer.kind != "died":
            return [(unit, answer, "")]
        self._start(post)
        if answer is None:
            reason = over_the_limit(self._engine.clip_timeout or 0.0)
            self._tell("worker replaced", worker=post.number, reason=reason)
            return [(unit, None, reason)]
        again = self._waiting.died(unit, attempt)
        self._tell("worker died", unit, worker=post.number, reason=answer.text, again=again)
        return [] if again else [(unit, None, died_twice(answer.text))]

    def _hear_start(self, post: _Post[U], answer: Answer | None) -> None:
        if answer is None or answer.kind == "broken":
            text = answer.text if answer is not None else ""
            raise EngineError(f"a worker cannot load the work: {text}")
        if answer.kind == "died":
            self._waiting.not_started(answer.text)
            self._start(post)
            return
        self._waiting.started()
        try:
            host, pid = self._ray.get(post.actor.where.remote())
        except self._ray.exceptions.RayActorError:
            return  # it is heard again when a unit is given
        self._tell("worker started", worker=post.number, host=host, pid=pid)

    def _lost_node(
        self, post: _Post[U], unit: U | None, attempt: int, why: str
    ) -> list[tuple[U, Answer | None, str]]:
        """An actor is gone, and its node with it as a rule: what it was at goes to another."""
        self._tell("worker died", unit, worker=post.number, reason=why)
        self._posts[self._posts.index(post)] = self._post(post.number)
        if unit is None:
            return []
        lost = self._losses[id(unit)] = self._losses.get(id(unit), 0) + 1
        if lost < _LOSSES:
            self._waiting.give_back(unit, attempt)
            return []
        return [(unit, None, f"the node was lost {lost} times on this clip ({why})")]

    def _start(self, post: _Post[U]) -> None:
        """Let an actor that is there bring its worker up once more."""
        post.doing, post.asked = "start", post.actor.start.remote()
        post.since = time.monotonic()

    def _complain(self) -> None:
        """Tell that workers have no place: a cluster that has none keeps them waiting for ever."""
        now = time.monotonic()
        late = [p for p in self._posts if p.doing == "start" and now - p.since > _PATIENCE_S]
        if not late:
            return
        for post in late:
            post.since = now
        have, free = self._ray.cluster_resources(), self._ray.available_resources()
        self._tell(
            "waiting for the cluster",
            reason=f"{len(late)} of {len(self._posts)} workers have no place yet: each wants 1 CPU "
            f"and {self._engine.gpus_per_worker:g} GPUs, and of {have.get('CPU', 0):g} CPUs and "
            f"{have.get('GPU', 0):g} GPUs of the cluster {free.get('CPU', 0):g} and "
            f"{free.get('GPU', 0):g} are free",
        )
