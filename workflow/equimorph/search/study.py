"""A search as an Optuna study in an SQLite file.

One process at a time opens the file. Each of N trials has a number from 1 to N, and its random
draws depend only on the seed, on that number and on the trials that ended before it. A trial that
was cut off is repeated with the same draws, so a killed search with one worker ends like one that
was not.
"""

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from equimorph.choices import choose
from equimorph.errors import InputError
from equimorph.search.trial import TrialResult
from equimorph.study.search_space import Choices, Range

try:
    import optuna
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )
    from optuna.trial import TrialState
except ModuleNotFoundError as error:
    raise InputError(
        f"search: the package {error.name} is missing; pip install 'equimorph[search]' brings it."
    ) from error

_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
# Seconds to wait while another program, such as optuna-dashboard, reads the file.
_PATIENCE = 60
# Bytes; below, whatever SQLite says, there was no room for the pages that it writes at a time.
_LEAST_FREE = 2**20


@dataclass(frozen=True)
class Trial:
    """A trial under way.

    Attributes:
        number: the trial's number, counted from 1.
        values: value of each searched key.
        handle: Optuna's object for the trial.
    """

    number: int
    values: dict[str, Any]
    handle: optuna.Trial

    @property
    def described(self) -> str:
        """The values as a text."""
        return describe_values(self.values)


def describe_values(values: Mapping[str, Any]) -> str:
    """Return values as a text for people."""
    shown = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in values.items()}
    return ", ".join(f"{key} {value}" for key, value in shown.items())


@contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Lock the search's file for this process; the lock ends with the process.

    Raises:
        InputError: another search, whose process the message names, holds it; or, while it is held
            here, the file cannot be written, with the reason.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_suffix(".lock")
    try:
        held = FileLock(lock).acquire(blocking=False)
    except Timeout:
        raise InputError(
            f"{path}: another search, process {lock.read_text() or 'unknown'}, is at work on it; "
            "wait until it ends, or end it."
        ) from None
    with held:
        try:
            lock.write_text(str(os.getpid()))
            yield
        except InputError:
            raise
        except Exception as error:
            if reason := _unwritable(error, path):
                raise InputError(f"{path}: {reason}.") from error
            raise


def _unwritable(error: BaseException, path: Path) -> str | None:
    """Return why the file cannot be written, and what helps; None if the error is another one."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, (sqlite3.OperationalError, OSError)):
        cause = cause.__cause__ or cause.__context__
    kept = "trials that have ended are kept, and the next run goes on with them"
    # Without the extension, which says where it happened.
    code = cause.sqlite_errorcode & 0xFF if isinstance(cause, sqlite3.OperationalError) else None
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"another program has locked it for more than {_PATIENCE} s; end that one ({kept})"
    failed = code == sqlite3.SQLITE_IOERR
    full = failed and shutil.disk_usage(path.parent).free < _LEAST_FREE
    no_space = isinstance(cause, OSError) and cause.errno == errno.ENOSPC
    if code == sqlite3.SQLITE_FULL or full or no_space:
        return f"the disk is full; free some space ({kept})"
    if failed or code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return f"cannot be written ({cause}); allow it, or see to the disk ({kept})"
    return None


class Search:
    """A search, which hands out trials until all of them have ended."""

    def __init__(
        self,
        path: str | Path,
        name: str,
        job: Mapping[str, Any],
        digest: str,
        space: Mapping[str, Range | Choices],
        settings: Mapping[str, Any],
    ):
        """Open the search, or begin it; the file must be `locked`.

        Trials that were under way when an earlier run was killed are marked as failed, and their
        numbers are handed out again. A study with another digest is left as it is.

        Args:
            path: SQLite file.
            name: name of the study.
            job: all that the losses depend on; it says later what has changed.
            digest: digest of the job; only trials with the same one are continued.
            space: range of each searched key.
            settings: `trials`, `seed`, `sampler` and `pruner` of the config's `search`.

        Raises:
            InputError: the file is no Optuna database or cannot be written, with the reason; or
                there is no such pruner.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.path, self.settings = Path(path), settings
        self.distributions = {key: _distribution(span) for key, span in space.items()}
        self.log: list[str] = []
        self.pruner = _pruner(settings["pruner"])
        try:
            storage = optuna.storages.RDBStorage(
                f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": _PATIENCE}}
            )
            self.study = self._open(storage, name, job, digest)
        except Exception as error:  # a damaged file raises errors of SQLite, SQLAlchemy or Optuna
            reason = _unwritable(error, self.path) or (
                f"not a search that can be read ({str(error).splitlines()[0]}); move it away to "
                "search anew"
            )
            raise InputError(f"{path}: {reason}.") from error

    def _open(
        self, storage: Any, name: str, job: Mapping[str, Any], digest: str
    ) -> optuna.study.Study:
        before = optuna.get_all_study_summaries(storage)
        full_name = f"{name}-{digest[:16]}"
        study = optuna.create_study(
            study_name=full_name,
            storage=storage,
            load_if_exists=True,
            direction="minimize",
            pruner=self.pruner,
        )
        if full_name not in [one.study_name for one in before]:
            study.set_user_attr("job", dict(job))
            if before:
                changed = ", ".join(_changed(before[-1].user_attrs.get("job", {}), job))
                self.log.append(
                    f"{self.path}: begins the new study {full_name}, because {changed} changed; "
                    f"the trials of {before[-1].study_name} are kept, but have no part in it."
                )
        stale = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        for trial in stale:
            study.tell(trial.number, state=TrialState.FAIL)
        done = self._numbers(study, _ENDED)
        if done or stale:
            cut = f", {len(stale)} cut off and repeated" if stale else ""
            self.log.append(
                f"{self.path}: goes on with {full_name}: {len(done)} of "
                f"{self.settings['trials']} trials ended{cut}."
            )
        return study

    def _numbers(self, study: optuna.study.Study, states: Sequence[TrialState]) -> set[int]:
        """Return the numbers of the wanted trials that are in one of the states."""
        trials = study.get_trials(deepcopy=False, states=tuple(states))
        wanted = range(1, self.settings["trials"] + 1)
        return {t.user_attrs["number"] for t in trials if t.user_attrs.get("number") in wanted}

    def ask(self) -> Trial | None:
        """Return the next trial, None if all have been handed out."""
        taken = self._numbers(self.study, (*_ENDED, TrialState.RUNNING))
        free = sorted(set(range(1, self.settings["trials"] + 1)) - taken)
        if not free:
            return None
        number = free[0]
        self.study.sampler = _sampler(self.settings["sampler"], self.settings["seed"], number)
        handle = self.study.ask(self.distributions)
        handle.set_user_attr("number", number)
        return Trial(number, {key: handle.params[key] for key in self.distributions}, handle)

    def go_on(self, trial: Trial, epoch: int, loss: float) -> bool:
        """Store the lowest validation loss up to an epoch; return whether to train on."""
        trial.handle.report(loss, epoch)
        return not trial.handle.should_prune()

    def tell(self, trial: Trial, result: TrialResult) -> None:
        """Store the result of a trial."""
        for key in ("state", "losses", "best_epochs", "epochs", "reason", "seconds"):
            trial.handle.set_user_attr(key, getattr(result, key))
        if result.state == "completed":
            self.study.tell(trial.handle, float(np.mean(result.losses)))
        else:
            self.study.tell(trial.handle, state=TrialState.PRUNED)

    def give_up(self, trial: Trial) -> None:
        """Store that a trial was cut off; its number is handed out again."""
        self.study.tell(trial.handle, state=TrialState.FAIL, skip_if_finished=True)

    def results(self) -> list[dict[str, Any]]:
        """Return the results of all trials that have ended, by their numbers.

        Each has `trial`, `state`, `validation_loss` (the mean over seeds; of a trial that was
        stopped, the lowest so far, or None), `best_epochs`, `epochs`, `seconds`, `reason`,
        `values` and `curve`, the lowest validation loss up to each epoch.
        """
        wanted = self._numbers(self.study, _ENDED)
        results = []
        for trial in self.study.get_trials(deepcopy=False, states=_ENDED):
            if trial.user_attrs["number"] not in wanted:
                continue
            curve = [trial.intermediate_values[e] for e in sorted(trial.intermediate_values)]
            loss = trial.value if trial.state == TrialState.COMPLETE else min(curve, default=None)
            kept = ("state", "best_epochs", "epochs", "seconds", "reason")
            results.append(
                {
                    "trial": trial.user_attrs["number"],
                    "validation_loss": loss,
                    **{key: trial.user_attrs[key] for key in kept},
                    "values": {key: trial.params[key] for key in self.distributions},
                    "curve": curve,
                }
            )
        return sorted(results, key=lambda result: result["trial"])


def _changed(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return the keys in which two jobs differ."""
    keys = []
    for key in sorted({*old, *new}):
        one, other = old.get(key), new.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            keys += _changed(one, other, f"{prefix}{key}.")
        elif one != other:
            keys.append(f"{prefix}{key}")
    return keys


def _distribution(span: Range | Choices) -> BaseDistribution:
    if isinstance(span, Choices):
        return CategoricalDistribution(span.values)
    if span.whole:
        return IntDistribution(int(span.low), int(span.high), log=span.log)
    return FloatDistribution(span.low, span.high, log=span.log)


SAMPLERS: dict[str, Callable[[Mapping[str, Any], int], optuna.samplers.BaseSampler]] = {
    "tpe": lambda settings, seed: optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=settings["startup"]
    ),
    "random": lambda settings, seed: optuna.samplers.RandomSampler(seed=seed),
}
HYPERBAND = ("min_resource", "max_resource", "reduction_factor")
PRUNERS: dict[str, Callable[[Mapping[str, Any]], optuna.pruners.BasePruner]] = {
    # A median needs at least one trial that has ended.
    "median": lambda settings: optuna.pruners.MedianPruner(
        n_startup_trials=max(1, settings["startup"]), n_warmup_steps=settings["warmup"]
    ),
    "hyperband": lambda settings: optuna.pruners.HyperbandPruner(
        **{key: settings[key] for key in HYPERBAND if key in settings}
    ),
    "none": lambda settings: optuna.pruners.NopPruner(),
}


def _sampler(settings: Mapping[str, Any], seed: int, number: int) -> optuna.samplers.BaseSampler:
    drawn = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    return choose(SAMPLERS, "search.sampler.kind", settings["kind"])(settings, drawn)


def _pruner(settings: Mapping[str, Any]) -> optuna.pruners.BasePruner:
    return choose(PRUNERS, "search.pruner.kind", settings["kind"])(settings)
