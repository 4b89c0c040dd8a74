"""Numbers as text: the same rounding and the same careful sentences everywhere."""

import re


def condition_label(name: str) -> str:
    """Return a condition's name for readers: `noise-25` becomes `noise 25 %`."""
    return tie(re.sub(r"-(\d+)$", r" \1 %", name).replace("-", " "))


def tie(text: str) -> str:
    """Put a no-break space between a number and its per cent sign."""
    return re.sub(r"(\d) %", "\\1\N{NO-BREAK SPACE}%", text)


def percent(value: float | None, digits: int = 1) -> str:
    """Return a fraction in per cent without the sign, a dash for None."""
    return "–" if value is None else f"{100 * value:.{digits}f}"


def points(value: float) -> str:
    """Return a difference of fractions in percentage points, signed, with a true minus."""
    return f"{100 * value:+.1f}".replace("-", "−")


def point_interval(bounds: list[float]) -> str:
    """Return an interval of differences, in percentage points."""
    return f"[{points(bounds[0])}, {points(bounds[1])}]"


def interval(bounds: list[float]) -> str:
    """Return an interval of fractions, in per cent."""
    return f"[{percent(bounds[0])}, {percent(bounds[1])}]"


def resampled(seeds: int) -> str:
    """Return what an interval is over: the seeds too, where there is more than one."""
    return "test images" if seeds == 1 else "test images and seeds"


def mean_sd_text(value: dict) -> str:
    """Return `mean ± sd` in per cent, the mean alone where one seed leaves no spread."""
    mean = percent(value["mean"])
    return mean if value["sd"] is None else f"{mean} ± {percent(value['sd'])}"


def decimal(value: float) -> str:
    """Return a number with three decimals."""
    return f"{value:.3f}"


def p_value(value: float) -> str:
    """Return a p-value with two significant digits, never as zero."""
    return "< 0.001" if value < 0.001 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"


def si(value: float) -> str:
    """Return a count with three significant digits and an SI prefix, such as `75.4 M`."""
    for factor, prefix in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= factor:
            return f"{float(f'{value / factor:.3g}'):g}{prefix}"
    return f"{value:g}"


def duration(seconds: float) -> str:
    """Return a time with a unit that suits it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def plural(count: int, noun: str) -> str:
    """Return `count noun` with a plural s where it belongs, thousands separated."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def verdict(interval95: list[float]) -> str:
    """Say what a difference's 95 % interval allows to say: higher, lower, or neither."""
    if interval95[0] > 0:
        return "higher"
    return "lower" if interval95[1] < 0 else "not distinguishable"
