# Names and helper functions that the stages share.
import csv
import json
import os
import re
import shutil
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

from equimorph.study.config import check_config
from equimorph.data.classes import GALAXY10_COUNTS
from equimorph.errors import InputError
from equimorph.study.models import resolve
from equimorph.provenance import digest
from equimorph.study.scale import scaled
from equimorph.sources import local_modules
from equimorph.study.recipes import recipe_settings


def check_study():
    """Stop before any job, also under -n, if the config is wrong."""
    with open("workflow/schemas/config.schema.yaml", encoding="utf-8") as file:
        schema = yaml.safe_load(file)
    try:
        check_config(config, schema, workflow.configfiles)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def check_conda():
    """Say what to do where jobs shall run in conda environments and there is no conda."""
    methods = workflow.deployment_settings.deployment_method
    if DeploymentMethod.CONDA in methods and not shutil.which("conda"):
        raise WorkflowError(
            "--use-conda needs conda 24.7.1 or newer on PATH: install Miniforge "
            "(https://conda-forge.org/download), or leave --use-conda out and run in the "
            "environment that `make install` creates."
        )


def check_gpus():
    """Stop where a training shall have more GPUs than jobs may take, which is 1 by default."""
    limit = workflow.global_resources.get("gpu")
    # Inside a job of a cluster the limit has no value.
    if limit is None or limit.value is None or not workflow.is_main_process:
        return
    if PROCESSES * GPU > limit.value:
        raise WorkflowError(
            f"train.processes: {PROCESSES} processes take a GPU each, but jobs may take {limit.value} "
            f"in all; add `--resources gpu={PROCESSES}`, or more where trainings shall run side by side."
        )


def shared_by(processes):
    """The command that runs a script in processes that share each batch."""
    return "python" if processes == 1 else f"python workflow/torchrun.py {processes}"


check_study()
check_conda()
config = scaled(config)

STUDY = config["study"]
SOURCE = config["data"]["source"]
CLASSES = config["data"]["classes"]
MODELS = config["train"]["models"]
SEEDS = config["train"]["seeds"]
PROCESSES = config["train"]["processes"]
GPU = int(config["train"]["device"] == "cuda")
check_gpus()
CONDITIONS = config["evaluate"]["conditions"]

# An edit of an environment re-runs its rules. `conda:` itself is no trigger: its hash holds absolute
# paths, and every clone would re-run everything.
COMPUTE_ENV = ["envs/compute.yaml", "envs/compute.post-deploy.sh"]
REPORT_ENV = ["envs/report.yaml"]

DATA = f"data/{SOURCE}"
WORK = f"work/{SOURCE}"
RESULTS = f"results/{STUDY}"
# What networks see, and all that is made from it.
IMAGES = f"{WORK}/{'starless' if config['data']['stars']['remove'] else 'images'}.npy"
STUDY_WORK = f"work/{STUDY}"
LOGS = f"logs/{STUDY}"
BENCHMARKS = f"benchmarks/{STUDY}"


def split_name():
    """The split's file name tells its protocol, so that two studies of one data set may differ."""
    split = config["data"]["split"]
    fold = f"-fold-{split['fold']}-of-{split['folds']}" if split["folds"] else ""
    return f"split-{split['protocol']}{fold}"


SPLIT_CSV = f"{DATA}/{split_name()}.csv"
SPLIT_JSON = f"{DATA}/{split_name()}.json"


def one_of(names):
    """A wildcard's constraint: exactly these names."""
    return "|".join(re.escape(str(name)) for name in names)


def modules(script):
    """The local modules that a script imports: an edit of one of them re-runs the rule."""
    return local_modules(f"workflow/scripts/{script}", "workflow")


def architecture_modules(wildcards):
    """The modules of the model's own architecture: an edit of another one re-runs nothing of it."""
    architecture = json.loads(specification(wildcards))["architecture"]
    path = f"workflow/equimorph/models/architectures/{architecture}.py"
    return [path, *local_modules(path, "workflow")]


def as_json(value):
    """A config value as one argument of a command."""
    return json.dumps(value, sort_keys=True)


def specification(wildcards):
    """The full specification of a model, JSON; no other model's entry changes it."""
    return as_json(resolve(wildcards.model, config["models"], config["network"]))


def recipe(wildcards):
    """The training parameters of a model, JSON: those that all share, and what differs for it."""
    return as_json(recipe_settings(config["train"], wildcards.model))


# By the environment and no param: switching a record on re-runs no training.
os.environ.update(
    EQUIMORPH_TRACK=as_json(
        {"study": STUDY, "folder": "work/tracking", **config["track"]}
    )
)


def condition_json(wildcards):
    """What is done to the test images, JSON; `clean` is nothing."""
    return as_json(config["conditions"].get(wildcards.condition, {"kind": "none"}))


def image_folder():
    """The folder of the data source `images`."""
    folder = config["data"]["images"]["folder"] or os.getenv("EQUIMORPH_REAL_DATA")
    if not folder:
        raise WorkflowError(
            "data.images.folder is not set, nor the environment variable EQUIMORPH_REAL_DATA: "
            "name a folder with manifest.csv (columns path, label, optionally ra, dec)."
        )
    return Path(folder)


def image_digest(wildcards):
    """The content of the image folder, wherever it lies: the manifest and the files it lists."""
    folder = image_folder()
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise WorkflowError(
            f"{manifest}: there is no such file; needed are columns path, label."
        )
    try:
        with open(manifest, encoding="utf-8-sig", newline="") as file:
            paths = [row.get("path") or "" for row in csv.DictReader(file)]
        images = [folder / path for path in paths if (folder / path).is_file()]
    except (OSError, ValueError, csv.Error) as error:
        # import_images tells what is wrong, row by row; here a digest is enough.
        return digest(type(error).__name__, [manifest])
    return digest(paths, [manifest, *images])


if SOURCE == "images":
    # The job finds the folder here: as an input, its place would be part of the provenance.
    os.environ.update(EQUIMORPH_REAL_DATA=str(image_folder()))


def expected_raw():
    """What is known beforehand of the raw file: Galaxy10's digest and class counts."""
    if SOURCE != "galaxy10":
        return ""
    counts = " ".join(map(str, GALAXY10_COUNTS))
    return f"--sha256 {config['data']['galaxy10']['sha256']} --class-counts {counts}"


def split_arguments():
    """The split's settings as arguments of a command."""
    split = config["data"]["split"]
    given = {key: value for key, value in split.items() if value is not None}
    if split["folds"] is None:
        del given["fold"]
    return " ".join(
        f"--{key.replace('_', '-')} {value}" for key, value in given.items()
    )


def search_figures():
    """The figures of a search, if one has run.

    As inputs they would make the report, and so the target `all`, run the search.
    """
    paths = [f"{RESULTS}/figures/search_{name}.svg" for name in ("history", "slices")]
    return [path for path in paths if Path(path).is_file()]


def announced(dag):
    """What a run has made that one opens next, a line each; nothing that lay there before."""
    made = {str(path) for job in dag.finished_jobs for path in job.output}
    landmarks = {
        SPLIT_CSV: f"Data: {DATA}",
        f"{RESULTS}/search/best.yaml": f"Search: {RESULTS}/search",
        f"{RESULTS}/report.html": f"Report: {RESULTS}/report.html",
    }
    return [line for path, line in landmarks.items() if path in made]


# The captions serve Snakemake's report and ours.
CAPTIONS = sorted(str(path) for path in Path("workflow/report").glob("*.rst"))
