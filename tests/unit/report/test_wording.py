"""Numbers as text."""

from equimorph.report.wording import (
    condition_label,
    duration,
    mean_sd_text,
    p_value,
    percent,
    plural,
    points,
    si,
    verdict,
)


def test_numbers_as_text():
    assert condition_label("noise-25") == "noise 25\N{NO-BREAK SPACE}%"
    assert condition_label("legacy-noise-25") == "legacy noise 25\N{NO-BREAK SPACE}%"
    assert condition_label("clean") == "clean"
    assert [percent(None), percent(0.1234), percent(0.5, 0)] == ["–", "12.3", "50"]
    assert [points(0.0123), points(-0.05), points(-0.0003)] == ["+1.2", "−5.0", "−0.0"]
    assert mean_sd_text({"mean": 0.5, "sd": None}) == "50.0"
    assert [si(75.4e6), si(1.2849e9), si(640), si(33286)] == ["75.4 M", "1.28 G", "640", "33.3 k"]
    assert [duration(83), duration(600), duration(9000)] == ["83 s", "10 min", "2.5 h"]
    assert [p_value(0.0002), p_value(0.0312), p_value(0.312)] == ["< 0.001", "0.031", "0.31"]
    assert [plural(1, "seed"), plural(3548, "image")] == ["1 seed", "3,548 images"]
    assert [verdict(ci) for ci in ([0.1, 0.2], [-0.2, -0.1], [0.0, 0.2])] == [
        "higher",
        "lower",
        "not distinguishable",
    ]
