# The front door: read and check the study's config, include the stages, name the targets.
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from equimorph.errors import InputError
from equimorph.study.yaml_files import read_yaml

# Snakemake's own reader shows a traceback where this has a sentence.
try:
    read_yaml("config.yaml")
except InputError as error:
    raise WorkflowError(str(error)) from None


configfile: "config.yaml"


AS_WRITTEN = config  # common.smk goes on with the config shrunk by `scale`


include: "workflow/rules/common.smk"


# `set -euo pipefail` is Snakemake's own prefix, which this one replaces.
shell.prefix("set -euo pipefail; export PYTHONPATH=workflow; ")


report: "workflow/report/workflow.rst"


wildcard_constraints:
    model=one_of([*ENTRIES, *PRETRAINED_MODELS]),
    seed=one_of(SEEDS),
    condition=one_of([*CONDITIONS, *SWEPT]),


include: "workflow/rules/data.smk"
include: "workflow/rules/robustness.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/classify.smk"
include: "workflow/rules/attack.smk"
include: "workflow/rules/explain.smk"
include: "workflow/rules/sweep.smk"
include: "workflow/rules/latent.smk"
include: "workflow/rules/calibrate.smk"
include: "workflow/rules/explore.smk"
include: "workflow/rules/data_sets.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/ledger.smk"


localrules:
    all,
    data,
    images,


# The study: every table and figure, and the report that shows them.
rule all:
    default_target: True
    input:
        DATA_FILES,
        RESULT_FILES,


# The data alone: raw file, catalogue, audit and split.
rule data:
    input:
        DATA_FILES,


# What networks see, under work/: no stage of DVC holds it, so a clone has to make it anew, and in a
# call of its own (docs/sharing.md).
rule images:
    input:
        IMAGES,
        CONDITION_IMAGES,
        SWEPT_IMAGES,
        PRETRAINING_FILES,
