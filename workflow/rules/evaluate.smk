# From trained models to predictions, and from predictions to numbers.

TABLES = ["accuracy", "per_class", "comparisons"]
TABLES += ["label_curve"] if FEWER_LABELS else []
PREDICTIONS = f"{RESULTS}/predictions/{{model}}/seed-{{seed}}.npz"

ALL_EQUIVARIANCE = expand(
    f"{RESULTS}/equivariance/{{model}}/seed-{{seed}}.json", model=MODELS, seed=SEEDS
)
ALL_PREDICTIONS = expand(PREDICTIONS, model=MODELS, seed=SEEDS)


rule predict:
    input:
        **code("evaluate/predict.py", COMPUTE_ENV),
        architecture=architecture,
        model=f"{RUN}/model.safetensors",
        split=SPLIT_CSV,
        conditions=conditions_of,
    output:
        # All conditions in one job: building the network takes longer than predicting.
        logits=PREDICTIONS,
    log:
        f"{LOGS}/predict/{{model}}/seed-{{seed}}.log",
    conda:
        "../../envs/compute.yaml"
    threads: config["train"]["threads"]
    resources:
        gpu=GPU,
    params:
        device=config["train"]["device"],
        stars_removed=STARS_REMOVED,
        turns=turns(),
    message:
        "Predict the test images with {wildcards.model}, seed {wildcards.seed}."
    shell:
        "python {input.script} --model {input.model} --split {input.split} {params.stars_removed}"
        " --device {params.device} --threads {threads} {params.turns}"
        " --conditions {input.conditions} --output {output.logits} 2>&1 | tee {log}"


rule equivariance:
    input:
        **code("evaluate/equivariance.py", COMPUTE_ENV),
        architecture=architecture,
        model=f"{RUN}/model.safetensors",
        images=IMAGES,
        split=SPLIT_CSV,
    output:
        errors=f"{RESULTS}/equivariance/{{model}}/seed-{{seed}}.json",
    log:
        f"{LOGS}/equivariance/{{model}}/seed-{{seed}}.log",
    conda:
        "../../envs/compute.yaml"
    threads: config["train"]["threads"]
    resources:
        gpu=int(config["train"]["device"] == "cuda"),
    params:
        step=config["evaluate"]["angle_step"],
        images=config["evaluate"]["angle_images"],
        seed=config["evaluate"]["seed"],
        device=config["train"]["device"],
        stars_removed=STARS_REMOVED,
    message:
        "Rotate test images and see how {wildcards.model}, seed {wildcards.seed}, responds."
    shell:
        "python {input.script} --model {input.model} --images {input.images} --split {input.split}"
        " --step {params.step} --at-most {params.images} --seed {params.seed} {params.stars_removed}"
        " --device {params.device} --threads {threads} --output {output.errors} 2>&1 | tee {log}"


rule measure:
    input:
        **code("evaluate/measure.py", COMPUTE_ENV),
        predictions=expand(PREDICTIONS, seed=SEEDS, allow_missing=True),
        runs=expand(f"{RUN}/run.json", seed=SEEDS, allow_missing=True),
        split=SPLIT_JSON,
        zero_labels=zero_label_predictions,
    output:
        measures=f"{RESULTS}/measures/{{model}}.json",
    log:
        f"{LOGS}/measure/{{model}}.log",
    group:
        "report"
    conda:
        "../../envs/compute.yaml"
    params:
        class_names=CLASSES,
        bootstrap=config["evaluate"]["bootstrap"],
        seed=config["evaluate"]["seed"],
        zero_labels=lambda wildcards, input: (
            f"--zero-labels <(printf '%s\\n' {input.zero_labels})"
            if input.zero_labels
            else ""
        ),
    message:
        "Measure {wildcards.model} under every condition."
    shell:
        "python {input.script} --predictions <(printf '%s\\n' {input.predictions})"
        " --runs <(printf '%s\\n' {input.runs})"
        " --split-json {input.split} {params.zero_labels}"
        " --class-names {params.class_names:q} --bootstrap {params.bootstrap} --seed {params.seed}"
        " --output {output.measures} 2>&1 | tee {log}"


rule label_curve:
    input:
        **code("evaluate/label_curve.py", COMPUTE_ENV),
        measures=expand(f"{RESULTS}/measures/{{model}}.json", model=LABEL_CURVE),
    output:
        table=report(
            f"{RESULTS}/tables/label_curve.csv",
            caption="../report/label_curve.rst",
            category="Results",
        ),
    log:
        f"{LOGS}/label_curve.log",
    group:
        "report"
    conda:
        "../../envs/compute.yaml"
    message:
        "Gather accuracies by the number of labels."
    shell:
        "python {input.script} --measures {input.measures} --output {output.table} 2>&1 | tee {log}"


rule compare:
    input:
        **code("evaluate/compare.py", COMPUTE_ENV),
        measures=expand(f"{RESULTS}/measures/{{model}}.json", model=MODELS),
        predictions=ALL_PREDICTIONS,
        split=SPLIT_JSON,
        verified=f"{DATA}/verified.json",
    output:
        metrics=report(
            f"{RESULTS}/metrics.json",
            caption="../report/metrics.rst",
            category="Results",
        ),
        accuracy=report(
            f"{RESULTS}/tables/accuracy.csv",
            caption="../report/accuracy.rst",
            category="Results",
        ),
        per_class=report(
            f"{RESULTS}/tables/per_class.csv",
            caption="../report/per_class.rst",
            category="Results",
        ),
        comparisons=report(
            f"{RESULTS}/tables/comparisons.csv",
            caption="../report/comparisons.rst",
            category="Results",
        ),
    log:
        f"{LOGS}/compare.log",
    group:
        "report"
    conda:
        "../../envs/compute.yaml"
    params:
        source=SOURCE,
        study=STUDY,
        reference=config["evaluate"]["reference"],
    message:
        "Compare all models: metrics.json and the tables."
    shell:
        "python {input.script} --measures {input.measures}"
        " --predictions <(printf '%s\\n' {input.predictions})"
        " --split-json {input.split} --verified-json {input.verified} --source {params.source:q}"
        " --study {params.study:q} --reference {params.reference:q} --output {output.metrics}"
        " --tables-dir $(dirname {output.accuracy}) 2>&1 | tee {log}"
