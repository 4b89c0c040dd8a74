"""Count how often Snakemake looks for ready jobs, with its limit of jobs per second and without.

    python tests/benchmarks/scheduler.py --jobs 250

The limit is there by default; each job that ends then adds a look per second while others are
ready.
"""

import argparse
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

INPUTS = 90  # as many as a job of a study has: the modules that it imports
WORKFLOW = """
onstart:
    if config["unlimited"]:
        workflow.scheduler.job_rate_limiter = None

rule all:
    input: expand("out/{{job}}", job=range({jobs}))

rule job:
    input: expand("in/{{number}}", number=range({inputs}))
    output: "out/{{job}}"
    shell: "sleep 0.5; touch {{output}}"
"""


def main() -> None:
    """Run a workflow of short jobs both ways; print looks and CPU seconds of all processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=250, help="that sleep for half a second each")
    arguments = parser.parse_args()

    for unlimited in (False, True):
        with TemporaryDirectory() as place:
            folder = Path(place)
            (folder / "in").mkdir()
            for number in range(INPUTS):
                (folder / "in" / str(number)).touch()
            text = WORKFLOW.format(jobs=arguments.jobs, inputs=INPUTS)
            (folder / "Snakefile").write_text(text)
            before = os.times()
            said = subprocess.run(
                ["snakemake", "--cores", "2", "--verbose", "--config", f"unlimited={unlimited}"],
                cwd=folder,
                capture_output=True,
                text=True,
                check=True,
            ).stderr
            after = os.times()
            seconds = sum(after[2:4]) - sum(before[2:4])
            limit = "without the limit" if unlimited else "with the limit"
            print(
                f"{arguments.jobs} jobs, {limit}: {said.count('Ready jobs: ')} looks, "
                f"{seconds:.1f} CPU seconds, {after.elapsed - before.elapsed:.0f} s"
            )


if __name__ == "__main__":
    main()
