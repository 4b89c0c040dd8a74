"""Processes that train trials, and the loop that hands them out.

The workers know nothing of the database. One process asks it for trials and stores the results, so
that no two processes ever wait for each other's lock.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

import torch

from equimorph.errors import InputError
from equimorph.search.trial import Trainer, TrialResult

if TYPE_CHECKING:  # workers need no Optuna
    from equimorph.search.study import Search, Trial

_SECONDS_TO_END = 10


def run_trials(
    search: "Search",
    workers: int,
    threads: int,
    material: Mapping[str, Any],
    announce: Callable[[str], None] = lambda line: None,
) -> None:
    """Run the remaining trials of a search, `workers` at a time.

    Args:
        search: hands out trials and takes what they reach.
        workers: processes.
        threads: CPU threads of each.
        material: arguments of `Trainer`.
        announce: called with a line on each trial that has ended.

    Raises:
        InputError: a worker cannot train; trials under way are given up, those that ended are kept.
    """
    team: dict[Connection, BaseProcess] = {}
    running: dict[Connection, Trial] = {}
    try:
        while True:
            while len(running) < workers and (trial := search.ask()):
                free = [connection for connection in team if connection not in running]
                connection = free[0] if free else _hire(team, threads, material)
                running[connection] = trial
                with _alive(team[connection], trial):
                    connection.send(trial.values)
            if not running:
                return
            ready = wait(list(running))
            for connection in [connection for connection in running if connection in ready]:
                trial = running[connection]
                with _alive(team[connection], trial):
                    message = connection.recv()
                if isinstance(message, InputError):
                    raise InputError(f"{_named(trial)}: {message}")
                if isinstance(message, TrialResult):
                    search.tell(trial, message)
                    del running[connection]
                    announce(f"{_named(trial)}: {message.described}")
                    continue
                goes_on = search.go_on(trial, *message)
                with _alive(team[connection], trial):
                    connection.send(goes_on)
    finally:
        for trial in running.values():
            search.give_up(trial)
        for connection, process in team.items():
            connection.close()
            process.terminate()
            process.join(_SECONDS_TO_END)


def _hire(
    team: dict[Connection, BaseProcess], threads: int, material: Mapping[str, Any]
) -> Connection:
    """Start one more worker."""
    # Not forked: a fork would inherit torch's threads, and the lock of the database.
    processes = multiprocessing.get_context("spawn")
    connection, other = processes.Pipe()
    process = processes.Process(target=work, args=(other, threads, dict(material)), daemon=True)
    process.start()
    other.close()  # so that the worker holds the only other end, and its death is noticed
    team[connection] = process
    return connection


@contextmanager
def _alive(process: BaseProcess, trial: "Trial") -> Iterator[None]:
    """Turn the death of the process at the other end of a connection into an InputError."""
    try:
        yield
    except (EOFError, ConnectionError):
        process.join(_SECONDS_TO_END)
        raise InputError(
            f"{_named(trial)}: its process ended with code {process.exitcode}, perhaps for lack of "
            "memory; the trials that have ended are kept."
        ) from None


def _named(trial: "Trial") -> str:
    return f"trial {trial.number} ({trial.described})"


def work(connection: Connection, threads: int, material: Mapping[str, Any]) -> None:
    """Train the trials that come through a connection, until it closes.

    Args:
        connection: the worker receives a trial's values. After each epoch it sends (epoch, lowest
            loss) and receives whether to go on. At the end it sends a TrialResult or an InputError.
        threads: CPU threads.
        material: arguments of `Trainer`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)

    def go_on(epoch: int, loss: float) -> bool:
        connection.send((epoch, loss))
        return connection.recv()

    try:
        trainer = Trainer(**material)
        while True:
            values = connection.recv()
            connection.send(trainer.run(values, go_on))
    except (EOFError, ConnectionError):
        return
    except InputError as error:
        connection.send(error)


def _end_with_parent() -> None:
    """End this process when its parent has died, by whatever signal."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
