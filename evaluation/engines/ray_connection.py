"""Ray itself: the package, a cluster that is there, or one of our own for the time of a run."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from evaluation.engines.base import EngineError
from evaluation.engines.local import devices
from evaluation.plan import UnusableInputError

QUIET = {"log_to_driver": False, "logging_level": "error", "configure_logging": True}
"""How a driver of ours joins: Ray logs into its own files, and says errors alone."""

_STORE_BYTES = 80_000_000
"""Ray's least: units and records are small, videos stay on the file system."""
_KNOCK_S = 5.0
_ANSWER_S = 40.0
_JOIN = """
import sys
import ray
try:
    ray.init(sys.argv[1], log_to_driver=False, logging_level="error", configure_logging=True)
except Exception as error:
    said = []
    while error is not None:
        said += [line.split(". ")[0] for line in str(error).strip().splitlines()[-1:]]
        error = error.__cause__ or error.__context__
    sys.exit("because: " + "; ".join(dict.fromkeys(said)))
"""


def package(*, alone: bool) -> Any:  # noqa: ANN401 - the module
    """Ray, set up not to call home.

    A cluster of ours alone listens on the loopback only, and nobody else on the machine can use it:
    it has a token of its own, which is written nowhere. Ray would put one into the user's home.

    Args:
        alone: For such a cluster.

    Raises:
        UnusableInputError: It is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would call home
    if alone:  # whatever its name says, without this Ray listens on every interface
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        # Ray reads this when it is imported, and never again.
        if "ray" not in sys.modules and not any(n.startswith("RAY_AUTH_") for n in os.environ):
            os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        import ray
    except ImportError as error:
        raise UnusableInputError(
            "--engine ray needs the package ray. Run: pip install 'talkbench[ray]'"
        ) from error
    return ray


def check(address: str | None, gpus_per_worker: float) -> None:
    """Look before anything is written.

    Joining is tried in a process of its own: where nothing answers, or something that is not Ray,
    Ray waits for many minutes and does not hear Ctrl-C.

    Raises:
        UnusableInputError: Ray is not installed, no cluster answers, or there is no GPU here.
    """
    ray = package(alone=address is None)
    if ray.is_initialized():
        return
    if address is None:
        if gpus_per_worker and not devices():
            raise UnusableInputError(_no_gpu(gpus_per_worker, 0))
        return
    _knock(address)
    try:
        done = subprocess.run(
            [sys.executable, "-c", _JOIN, address],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ANSWER_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _nobody(address, f"no answer of Ray in {_ANSWER_S:g} s") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("because: ")]
        raise _nobody(
            address, said[-1].removeprefix("because: ") if said else "it cannot be joined"
        )


def join(ray: Any, address: str) -> None:  # noqa: ANN401 - the module
    """Be a driver of a cluster that is there.

    Raises:
        UnusableInputError: There is none.
    """
    try:
        with _sigterm_kept():
            ray.init(address, **QUIET)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _nobody(address, str(error)) from error


def begin(ray: Any, workers: int, gpus_per_worker: float) -> None:  # noqa: ANN401 - the module
    """Start a cluster on this machine, which ends with ``ray.shutdown``.

    Raises:
        EngineError: Ray cannot.
        UnusableInputError: It has no GPU, and is to give some.
    """
    try:
        with _sigterm_kept():
            ray.init(
                "local",
                num_cpus=max(workers, os.cpu_count() or 1),
                include_dashboard=False,
                object_store_memory=_STORE_BYTES,
                **QUIET,
            )
    except (RuntimeError, ConnectionError, TimeoutError) as error:
        last = str(error).strip().splitlines()[-1:]
        raise EngineError(f"Ray starts no cluster here: {' '.join(last)}") from error
    there = ray.cluster_resources().get("GPU", 0)
    if gpus_per_worker > there:
        ray.shutdown()
        raise UnusableInputError(_no_gpu(gpus_per_worker, there))


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself, and a queue's signal would end the run without a word."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


@contextmanager
def interrupts_kept() -> Iterator[Callable[[], None]]:
    """Ray calls back from its own threads, and an interrupt that is raised there may be lost.

    What is yielded raises it again, if there was one.
    """
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        then = before[signal.Signals(number)]
        if callable(then):
            then(number, frame)

    def raise_again() -> None:
        if heard:
            raise KeyboardInterrupt

    taken = [number for number, then in before.items() if callable(then)]
    for number in taken:
        signal.signal(number, hear)
    try:
        yield raise_again
    finally:
        for number in taken:
            signal.signal(number, before[number])


def _knock(address: str) -> None:
    """Whether anything listens there; nothing is asked of names that Ray alone understands."""
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", address)
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return
    if not host or not port.isdecimal():
        raise UnusableInputError(
            f"--address {address!r} is no address: auto, HOST:PORT or ray://HOST:PORT"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK_S).close()
    except (OSError, OverflowError) as error:
        raise _nobody(address, str(error)) from error


def _nobody(address: str, why: str) -> UnusableInputError:
    token = (
        ". It asks for a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to its file"
        if "auth" in why.lower()
        else ". Start one (ray start --head), or leave --address out for one on this machine"
    )
    return UnusableInputError(f"no Ray cluster answers at {address!r}: {why.rstrip('.')}{token}")


def _no_gpu(wanted: float, there: float) -> str:
    return f"--gpus-per-worker {wanted:g}, and there are {there:g} GPUs here"
