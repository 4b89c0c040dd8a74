# Names and helper functions that the stages share.
import json
import os
import re
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod

from equimorph.study.config import check_config
from equimorph.data.classes import GALAXY10_CLASSES, GALAXY10_COUNTS
from equimorph.data.manifest import folder_digest, read_manifest
from equimorph.data.places import PLACES, own_data
from equimorph.errors import InputError
from equimorph.io import sha256_of
from equimorph.study.models import resolve
from equimorph.provenance import digest
from equimorph.study.conditions import steps_of
from equimorph.study.scale import scaled
from equimorph.study.sweeps import conditions as sweep_conditions
from equimorph.sources import ARCHITECTURES, DEGRADATIONS, LOSSES, local_modules
from equimorph.study.recipes import (
    of_the_loop,
    pretrained_model,
    has_all_labels,
    pretraining_settings,
    recipe_settings,
    start_of,
)
from equimorph.study.yaml_files import read_yaml


def check_study():
    """Stop before any job, also under -n, if the config is wrong."""
    schema = read_yaml("workflow/schemas/config.schema.yaml")
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
    if WORLD_SIZE * GPU > limit.value:
        raise WorkflowError(
            f"train.world_size: {WORLD_SIZE} processes take a GPU each, but jobs may take {limit.value} "
            f"in all; add `--resources gpu={WORLD_SIZE}`, or more where trainings shall run side by side."
        )


def look_for_jobs_once():
    """Let a local run look for ready jobs when one has ended, and only then.

    With its limit of 100 jobs a second, which clusters need, Snakemake (9.27) looks once a second more for
    every job that has ended, while others are ready: 6,158 times instead of 250 for 250 jobs of half a second
    (tests/benchmarks/scheduler.py). Another limit is somebody's wish and stays.
    """
    limit = workflow.scheduler.job_rate_limiter
    if workflow.local_exec and limit and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


def shared_by(world_size):
    """The command that runs a script in processes that share each batch."""
    return "python" if world_size == 1 else f"python workflow/torchrun.py {world_size}"


def with_networks_of(names):
    """The entries that have the network of one of these."""

    def network(name):
        return resolve(name, config["models"], config["network"])

    networks = list(map(network, names))
    return [name for name in ENTRIES if network(name) in networks]


check_study()
check_conda()
config = scaled(config)

SUBSETS = ("train", "validation", "test")  # as they stand in the split's file name
STUDY = config["study"]
SOURCE = config["data"]["source"]
CLASSES = config["data"]["classes"]
ENTRIES = config["train"]["models"]
# Those that the study compares; the others, with fewer labels, are points of the label curve alone.
MODELS = [name for name in ENTRIES if has_all_labels(config["train"], name)]
FEWER_LABELS = [name for name in ENTRIES if name not in MODELS]
# The networks that are trained on fewer labels, too.
LABEL_CURVE = with_networks_of(FEWER_LABELS)
SEEDS = config["train"]["seeds"]
WORLD_SIZE = config["train"]["world_size"]
GPU = int(config["train"]["device"] == "cuda")
check_gpus()
CONDITIONS = config["evaluate"]["conditions"]
ANALYSES = config["analyses"]["run"]
ANALYSED = config["analyses"]["models"] or MODELS
ANALYSED_SEED = (
    SEEDS[0] if config["analyses"]["seed"] is None else config["analyses"]["seed"]
)
# The conditions of all sweeps, of which `conditions` knows nothing.
SWEPT = sweep_conditions(config["analyses"]["sweeps"]) if "sweeps" in ANALYSES else {}
# The models whose pretraining a training starts from.
PRETRAINED_MODELS = sorted(
    {pretrained_model(start_of(config["train"], name), name) for name in ENTRIES}
    - {None}
)

# An edit of an environment re-runs its rules. `conda:` itself is no trigger: its hash holds absolute
# paths, and every clone would re-run everything.
COMPUTE_ENV = ["envs/compute.yaml", "envs/compute.post-deploy.sh"]
REPORT_ENV = ["envs/report.yaml"]

DATA = f"data/{SOURCE}"
WORK = f"work/{SOURCE}"
RESULTS = f"results/{STUDY}"
STARS = config["data"]["stars"]
# The default filter needs no name: what was made before there were two is not made again.
STAR_FILTER = "" if STARS["kind"] == "seeing" else STARS["kind"]
STARLESS = f"{WORK}/starless{STAR_FILTER and '-'}{STAR_FILTER}.npy"
# What networks see, and all that is made from it.
IMAGES = STARLESS if STARS["remove"] else f"{WORK}/images.npy"
STARS_REMOVED = (
    f"--stars-removed {STARS['seed']}{STAR_FILTER and ' --star-filter '}{STAR_FILTER}"
    if STARS["remove"]
    else ""
)
FIGURES = f"{RESULTS}/figures"
STUDY_WORK = f"work/{STUDY}"
# The test images under every condition.
CONDITION_IMAGES = [f"{STUDY_WORK}/conditions/{name}.npy" for name in CONDITIONS]
SWEPT_IMAGES = [f"{STUDY_WORK}/conditions/{name}.npy" for name in SWEPT]
LOGS = f"logs/{STUDY}"
BENCHMARKS = f"benchmarks/{STUDY}"


def advise_images_first():
    """Say what spares the trainings where results are here but no images, as in a clone.

    Whatever reads a file that the same call makes is made anew, were the file equal to the last bit.
    """
    here = any(Path(RESULTS).glob("models/*/*/model.safetensors"))
    images = (IMAGES, *CONDITION_IMAGES, *SWEPT_IMAGES)
    missing = [path for path in images if not Path(path).exists()]
    if workflow.is_main_process and here and missing:
        if "images" not in sys.argv:  # Snakemake itself knows its targets later
            logger.info(
                f"{missing[0]} is not here, as in a clone. `snakemake images --cores all` first "
                "makes the images alone; without it, an edit may plan trainings that it does not "
                "need."
            )


def split_name():
    """The split's file name tells its protocol, so that two studies of one data set may differ."""
    split = config["data"]["split"]
    shares = at_most = ""
    if split["protocol"] == "stratified":
        shares = "".join(f"-{split[part]:g}" for part in SUBSETS)
    if any(split["at_most"].values()):
        at_most = "-at-most" + "".join(
            f"-{split['at_most'][s] or 'all'}" for s in SUBSETS
        )
    fold = f"-fold-{split['fold']}-of-{split['folds']}" if split["folds"] else ""
    return f"split-{split['protocol']}{shares}{at_most}{fold}"


advise_images_first()

SPLIT_CSV = f"{DATA}/{split_name()}.csv"
SPLIT_JSON = f"{DATA}/{split_name()}.json"


def one_of(names):
    """A wildcard's constraint: exactly these names."""
    return "|".join(re.escape(str(name)) for name in names)


def code(script, env):
    """The inputs that all rules have: script, the modules it imports, its environment's files.

    An edit of one of them re-runs the rule.
    """
    path = f"workflow/scripts/{script}"
    return {"script": path, "modules": local_modules(path, "workflow"), "env": env}


def found_by_name(*named):
    """The files of modules that a script finds by name: an edit of another one re-runs nothing."""
    return local_modules(os.devnull, "workflow", named)


def architecture(wildcards):
    """The modules of the model's architecture."""
    name = json.loads(specification(wildcards))["architecture"]
    return found_by_name(f"{ARCHITECTURES}.{name}")


def loss(wildcards):
    """The modules of the model's loss."""
    name = json.loads(recipe(wildcards))["loss"]["kind"]
    return found_by_name(f"{LOSSES}.{name}")


def degradation(wildcards):
    """The modules of the condition's kinds of degradations; `clean` has none."""
    steps = steps_of(json.loads(condition_json(wildcards)))
    kinds = [step["kind"] for step in steps if step["kind"] != "none"]
    return found_by_name(*(f"{DEGRADATIONS}.{kind}" for kind in kinds)) if kinds else []


# What a config may make long, such as its notes or a path per model and seed, is no argument of a
# command: Linux allows 128 KiB for one and about 2 MiB for all. A rule writes it as the file
# `<(printf …)`, whose text bash itself holds; its params and inputs stay what re-runs it.
def as_json(value):
    """A config value as one argument of a command, or as the text of a file."""
    return json.dumps(value, sort_keys=True)


def literally(value):
    """A param that is this value as JSON; Snakemake fills in wildcards where a text has braces."""

    def text(wildcards):
        return as_json(value)

    return text


def specification(wildcards):
    """The full specification of a model, JSON; no other model's entry changes it."""
    return as_json(resolve(wildcards.model, config["models"], config["network"]))


def recipe(wildcards):
    """The training parameters of a model, JSON: those that all share, and what differs for it."""
    return as_json(of_the_loop(recipe_settings(config["train"], wildcards.model)))


def pretraining_recipe(wildcards):
    """The training parameters of a model's pretraining, JSON."""
    return as_json(pretraining_settings(config, wildcards.model))


def pretraining_images():
    """The settings of the simulated galaxies that networks are pretrained on."""
    given = {
        key: config["pretrain"][key]
        for key in ("per_class", "size", "field", "seed", "jpeg")
    }
    return " ".join(
        f"--{key.replace('_', '-')} {value}"
        for key, value in given.items()
        if value is not None
    )


def start(wildcards):
    """The trained network that a model's training starts from, if any."""
    begins = start_of(config["train"], wildcards.model)
    source = pretrained_model(begins, wildcards.model)
    if source is not None:
        return f"{RESULTS}/pretrained/{source}/seed-{wildcards.seed}/model.safetensors"
    return begins or []


def beginning(wildcards, input):
    """What a training begins with, as arguments of a command."""
    labels = recipe_settings(config["train"], wildcards.model)["labels"]
    arguments = [f"--start-from {shlex.quote(str(input.start))}"] if input.start else []
    return " ".join(arguments + ([f"--labels {labels}"] if labels is not None else []))


def zero_label_predictions(wildcards):
    """What a model's pretraining, alone, predicts; where its classes are those of the study."""
    source = pretrained_model(
        start_of(config["train"], wildcards.model), wildcards.model
    )
    if source is None or CLASSES != list(GALAXY10_CLASSES):
        return []
    return expand(
        f"{RESULTS}/pretrained/{source}/seed-{{seed}}/predictions.npz", seed=SEEDS
    )


# By the environment and no param: switching a record on re-runs no training.
os.environ.update(
    EQUIMORPH_TRACK=as_json(
        {"study": STUDY, "folder": "work/tracking", **config["track"]}
    )
)


def conditions_of(wildcards):
    """The test images that a model predicts; a point of the label curve needs the clean ones."""
    if wildcards.model in MODELS:
        return CONDITION_IMAGES
    return f"{STUDY_WORK}/conditions/clean.npy"


def condition_json(wildcards):
    """What is done to the test images, JSON; `clean` is nothing."""
    conditions = {**config["conditions"], **SWEPT}
    return as_json(conditions.get(wildcards.condition, {"kind": "none"}))


def check_keys(path):
    """Check that an HDF5 file has the arrays of the raw schema, without reading their values."""
    from equimorph.data.raw import open_raw  # h5py, which few studies need here

    with open_raw(path):
        pass


def open_own_data():
    """Find a person's own data; stop before any job, also under -n, if they cannot be used."""
    try:
        found = own_data(config["data"])
        if SOURCE == "images":
            read_manifest(found, CLASSES).check()
        elif not found.is_file():
            raise InputError(
                f"{found}: there is no such file; {PLACES['hdf5'].needed}."
            )
        else:
            check_keys(found)
    except InputError as error:
        raise WorkflowError(str(error)) from None
    # Jobs find them here: as an input, their place would be part of the provenance.
    os.environ[PLACES[SOURCE].variable] = str(found)
    return found


OWN_DATA = open_own_data() if SOURCE in PLACES else None


@cache
def read_own_data():
    """The digest of the data, wherever they lie; of a folder what the manifest says, and the images."""
    try:
        if SOURCE == "images":
            return folder_digest(OWN_DATA, CLASSES)
        return config["data"]["hdf5"]["sha256"] or sha256_of(OWN_DATA)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def own_digest(wildcards):
    """As a function, so that data are read only where a job depends on them."""
    return read_own_data()


def expected_raw():
    """What is known beforehand of the raw file: whose it is, its digest, Galaxy10's class counts."""
    if SOURCE == "hdf5":
        sha256 = config["data"]["hdf5"]["sha256"]
        return f"--own --sha256 {sha256}" if sha256 else "--own"
    if SOURCE != "galaxy10":
        return ""
    counts = " ".join(map(str, GALAXY10_COUNTS))
    return f"--sha256 {config['data']['galaxy10']['sha256']} --class-counts {counts}"


def split_arguments():
    """The split's settings as arguments of a command."""
    split = config["data"]["split"]
    # The first is find_lookalikes', the next two are table_arguments'.
    others = ("similarity", "table", "table_origin", "at_most")
    given = {key: split[key] for key in split if key not in others}
    given |= {f"at_most_{part}": most for part, most in split["at_most"].items()}
    if split["folds"] is None:
        del given["fold"]
    return " ".join(
        f"--{key.replace('_', '-')} {value}"
        for key, value in given.items()
        if value is not None
    )


def split_table():
    """The table of a split that somebody else has made, where the protocol is that."""
    split = config["data"]["split"]
    if split["protocol"] != "table":
        return []
    if not Path(split["table"]).is_file():
        raise WorkflowError(
            f"config: data.split.table: {split['table']}: there is no such file; needed is a CSV "
            "table with the columns subset, and row or h5_index."
        )
    return split["table"]


def check_source_is_not_of_this_study():
    """Stop where a study shall begin with a data set that it makes itself (data_sets.smk)."""
    for key, path in (
        ("data.split.table", split_table()),
        (f"data.{SOURCE}", OWN_DATA),
    ):
        if path and Path(path).resolve().parent == Path(STUDY_WORK).resolve():
            raise WorkflowError(
                f"config: {key}: {path} is made by the study {STUDY} itself; allowed is another "
                "name in `study` for the one that begins with it."
            )


def table_arguments():
    """The table and whose it is, as arguments of a command."""
    split = config["data"]["split"]
    if split["protocol"] != "table":
        return []
    origin = [f"--origin={split['table_origin']}"] if split["table_origin"] else []
    return [f"--table={split['table']}", *origin]


def turns():
    """The angles over which logits are averaged at test time, as arguments of a command."""
    angles = config["evaluate"]["turns"]
    return f"--turns {' '.join(map(str, angles))}" if angles else ""


def search_figures():
    """The figures of a search, if one has run.

    As inputs they would make the report, and so the target `all`, run the search.
    """
    paths = [f"{RESULTS}/figures/search_{name}.svg" for name in ("history", "slices")]
    return [path for path in paths if Path(path).is_file()]


# The captions serve Snakemake's report and ours.
CAPTIONS = sorted(str(path) for path in Path("workflow/report").glob("*.rst"))
