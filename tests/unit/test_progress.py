"""Progress bars: a line at the start and one at the end where nobody watches."""

import pytest

from equimorph.progress import progress


@pytest.mark.parametrize(
    ("total", "step", "unit", "expected"),
    [(10, 1, "epochs", "10/10"), (3_000_000, 1_000_000, "B", "3.00M/3.00M")],
)
def test_a_log_file_gets_two_lines(total, step, unit, expected, capsys):
    with progress(total, "work", unit) as bar:
        for _ in range(0, total, step):
            bar.update(step)
    start, end = capsys.readouterr().err.strip().split("\r")
    assert start.startswith("work:   0%") and end.startswith("work: 100%")
    assert expected in end


def test_work_already_done_is_counted(capsys):
    with progress(4, "work", "epochs", initial=3):
        pass
    assert "3/4" in capsys.readouterr().err
