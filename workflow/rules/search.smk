# A search for better training parameters, on the validation set; no other target needs it.
from equimorph.study.search_space import (
    named_modules,
    read_space,
    single_study,
    training_part,
)

SEARCH_ENV = ["envs/search.yaml", "envs/search.post-deploy.sh"]
SEARCH = f"{RESULTS}/search"
SINGLE = single_study(AS_WRITTEN)


rule optimise:
    input:
        **code("search/optimise.py", SEARCH_ENV),
        named=found_by_name(
            *named_modules(
                training_part(SINGLE), read_space(config["search"]["space"])
            )
        ),
        images=IMAGES,
        verified=f"{DATA}/verified.json",
        split=SPLIT_CSV,
        split_json=SPLIT_JSON,
    output:
        trials=report(
            f"{SEARCH}/trials.csv",
            caption="../report/search_trials.rst",
            category="Search",
        ),
        study=f"{SEARCH}/study.json",
    log:
        f"{LOGS}/optimise.log",
    benchmark:
        f"{BENCHMARKS}/optimise.tsv"
    conda:
        "../../envs/search.yaml"
    threads: config["search"]["workers"] * config["train"]["threads"]
    resources:
        gpu=GPU,
    params:
        study=STUDY,
        training=as_json(training_part(SINGLE)),
        search=as_json(
            {
                k: v
                for k, v in config["search"].items()
                if k not in ("model", "workers")
            }
        ),
        class_names=CLASSES,
        device=config["train"]["device"],
        per_trial=config["train"]["threads"],
        # Not an output: what trials have cost must outlive a job that fails.
        storage=f"work/search/{STUDY}.db",
    message:
        "Search for better training parameters on the validation set."
    shell:
        "python {input.script} --images {input.images} --verified-json {input.verified}"
        " --split {input.split} --split-json {input.split_json} --study {params.study:q}"
        " --training <(printf %s {params.training:q}) --search <(printf %s {params.search:q})"
        " --class-names {params.class_names:q} --device {params.device} --threads {threads}"
        " --per-trial {params.per_trial} --storage {params.storage}"
        " --output-trials {output.trials} --output-study {output.study} 2>&1 | tee {log}"


rule best_preset:
    input:
        **code("search/best_preset.py", SEARCH_ENV),
        study=f"{SEARCH}/study.json",
        config="config.yaml",
    output:
        preset=report(
            f"{SEARCH}/best.yaml",
            caption="../report/search_best.rst",
            category="Search",
        ),
    log:
        f"{LOGS}/best_preset.log",
    group:
        "search"
    conda:
        "../../envs/search.yaml"
    params:
        single=literally(SINGLE),
    message:
        "Write the best trial as a preset."
    shell:
        "python {input.script} --search-json {input.study} --single <(printf %s {params.single:q})"
        " --config {input.config} --output {output.preset} 2>&1 | tee {log}"


rule plot_search:
    input:
        **code("search/plot_search.py", REPORT_ENV),
        study=f"{SEARCH}/study.json",
    output:
        history=report(
            f"{FIGURES}/search_history.svg",
            caption="../report/search_history.rst",
            category="Search",
        ),
        slices=report(
            f"{FIGURES}/search_slices.svg",
            caption="../report/search_slices.rst",
            category="Search",
        ),
    log:
        f"{LOGS}/plot_search.log",
    group:
        "search"
    conda:
        "../../envs/report.yaml"
    message:
        "Plot the search."
    shell:
        "python {input.script} --search-json {input.study} --output-history {output.history}"
        " --output-slices {output.slices} 2>&1 | tee {log}"


localrules:
    search,


# The trials, the best one as a preset, and the figures.
rule search:
    input:
        rules.optimise.output,
        rules.best_preset.output,
        rules.plot_search.output,
