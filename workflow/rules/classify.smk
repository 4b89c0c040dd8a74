# The study's best network, for those who did not train it.

CLASSIFIER = f"{RESULTS}/classifier"
GALAXY10 = "Galaxy10 DECaLS, H. W. Leung and J. Bovy, doi:10.5281/zenodo.10845026; labels of Galaxy Zoo; images of the DESI Legacy Imaging Surveys"
# What the page is made of beside Python.
WEB = sorted(map(str, Path("workflow/equimorph/classify/web").iterdir()))
CREDITS = {"galaxy10": GALAXY10, "simulated": "galaxies simulated by equimorph"}


# Whom to thank for the training images.
CREDIT = (
    GALAXY10
    if SOURCE == "hdf5" and CLASSES == list(GALAXY10_CLASSES)
    else CREDITS.get(SOURCE, "images of the study's own")
)


rule classifier:
    input:
        **code("classify/classifier.py", COMPUTE_ENV),
        architectures=found_by_name(
            *{
                f"{ARCHITECTURES}.{resolve(name, config['models'], config['network'])['architecture']}"
                for name in MODELS
            }
        ),
        metrics=f"{RESULTS}/metrics.json",
        runs=expand(f"{RUN}/run.json", model=MODELS, seed=SEEDS),
        models=expand(f"{RUN}/model.safetensors", model=MODELS, seed=SEEDS),
        images=IMAGES,
        catalogue=f"{DATA}/catalogue.csv",
        split=SPLIT_CSV,
    output:
        # The same bytes as the chosen training's, which DVC therefore keeps once.
        model=f"{CLASSIFIER}/model.safetensors",
        companion=f"{CLASSIFIER}/companion.safetensors",
    log:
        f"{LOGS}/classifier.log",
    # Not the report's: it needs the comparison, and no part of the report needs it.
    group:
        "classifier"
    conda:
        "../../envs/compute.yaml"
    threads: config["train"]["threads"]
    resources:
        gpu=GPU,
    params:
        device=config["train"]["device"],
        stars_removed=STARS_REMOVED,
        credit=CREDIT,
    message:
        "Measure the best network for those who will use it."
    shell:
        "python {input.script} --metrics {input.metrics}"
        " --runs <(printf '%s\\n' {input.runs}) --models <(printf '%s\\n' {input.models})"
        " --images {input.images} --catalogue {input.catalogue} --split {input.split}"
        " {params.stars_removed} --credit {params.credit:q}"
        " --device {params.device} --threads {threads} --output-model {output.model}"
        " --output-companion {output.companion} 2>&1 | tee {log}"


rule classify_page:
    input:
        **code("classify/page.py", COMPUTE_ENV),
        architectures=rules.classifier.input.architectures,
        web=WEB,
        model=rules.classifier.output.model,
        companion=rules.classifier.output.companion,
        metrics=f"{RESULTS}/metrics.json",
        runs=expand(f"{RUN}/run.json", model=MODELS, seed=SEEDS),
        models=expand(f"{RUN}/model.safetensors", model=MODELS, seed=SEEDS),
        images=IMAGES,
        split=SPLIT_CSV,
    output:
        page=f"{RESULTS}/classify.html",
    log:
        f"{LOGS}/classify_page.log",
    group:
        "classifier"
    conda:
        "../../envs/compute.yaml"
    params:
        study=STUDY,
        stars_removed=STARS_REMOVED,
    message:
        "Write the page that classifies galaxies."
    shell:
        "python {input.script} --study {params.study:q} --classifier $(dirname {input.model})"
        " --metrics {input.metrics}"
        " --runs <(printf '%s\\n' {input.runs}) --models <(printf '%s\\n' {input.models})"
        " --images {input.images} --split {input.split} {params.stars_removed}"
        " --output {output.page} 2>&1 | tee {log}"


rule model_card:
    input:
        **code("classify/card.py", COMPUTE_ENV),
        model=rules.classifier.output.model,
        companion=rules.classifier.output.companion,
        metrics=f"{RESULTS}/metrics.json",
        runs=expand(f"{RUN}/run.json", model=MODELS, seed=SEEDS),
        predictions=ALL_PREDICTIONS,
    output:
        card=f"{CLASSIFIER}/card.md",
    log:
        f"{LOGS}/model_card.log",
    group:
        "classifier"
    conda:
        "../../envs/compute.yaml"
    params:
        study=STUDY,
        bootstrap=config["evaluate"]["bootstrap"],
        seed=config["evaluate"]["seed"],
    message:
        "Write the model card of the best network."
    shell:
        "python {input.script} --study {params.study:q} --model {input.model}"
        " --companion {input.companion} --metrics {input.metrics}"
        " --runs <(printf '%s\\n' {input.runs})"
        " --predictions <(printf '%s\\n' {input.predictions})"
        " --bootstrap {params.bootstrap} --seed {params.seed}"
        " --output {output.card} 2>&1 | tee {log}"
