"""A progress bar that behaves on a terminal and in a log file."""

import sys

from tqdm import tqdm


def progress(total: float | None, description: str, unit: str, initial: int = 0) -> tqdm:
    """Return a bar on stderr: live on a terminal, at most a line per 30 seconds elsewhere.

    Args:
        total: the amount of work, None if unknown.
        description: text before the bar.
        unit: name of one piece of work; `B` is shown with the prefixes kB, MB, GB.
        initial: work already done.
    """
    interval = 0.2 if sys.stderr.isatty() else 30.0
    return tqdm(
        total=total,
        initial=initial,
        desc=description,
        unit=unit,
        unit_scale=unit == "B",
        mininterval=interval,
        maxinterval=max(10.0, interval),
        dynamic_ncols=True,
    )
