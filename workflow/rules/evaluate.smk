# From trained models to predictions, and from predictions to numbers.

PREDICTIONS = f"{RESULTS}/predictions/{{model}}/seed-{{seed}}"


rule predict:
    message:
        "Predict the test images with {wildcards.model}, seed {wildcards.seed}."
    input:
        script="workflow/scripts/evaluate/predict.py",
        modules=modules("evaluate/predict.py"),
        env=COMPUTE_ENV,
        model=f"{RUN}/model.safetensors",
        split=SPLIT_CSV,
        conditions=expand(f"{STUDY_WORK}/conditions/{{condition}}.npy", condition=CONDITIONS),
    output:
        # All conditions in one job: building the network takes longer than predicting.
        logits=expand(
            f"{PREDICTIONS}/{{condition}}.npz", condition=CONDITIONS, allow_missing=True
        ),
    params:
        folder=PREDICTIONS,
    log:
        f"{LOGS}/predict/{{model}}/seed-{{seed}}.log",
    conda:
        "../../envs/compute.yaml"
    shell:
        "python {input.script} --model {input.model} --split-csv {input.split}"
        " --conditions {input.conditions} --output-folder {params.folder} 2>&1 | tee {log}"


rule measure:
    message:
        "Measure {wildcards.model} under every condition."
    input:
        script="workflow/scripts/evaluate/measure.py",
        modules=modules("evaluate/measure.py"),
        env=COMPUTE_ENV,
        predictions=expand(
            f"{PREDICTIONS}/{{condition}}.npz",
            seed=SEEDS,
            condition=CONDITIONS,
            allow_missing=True,
        ),
        runs=expand(f"{RUN}/run.json", seed=SEEDS, allow_missing=True),
    output:
        measures=f"{RESULTS}/measures/{{model}}.json",
    params:
        classes=CLASSES,
        bootstrap=config["evaluate"]["bootstrap"],
        seed=config["evaluate"]["seed"],
    log:
        f"{LOGS}/measure/{{model}}.log",
    conda:
        "../../envs/compute.yaml"
    shell:
        "python {input.script} --predictions {input.predictions} --runs {input.runs}"
        " --classes {params.classes:q} --bootstrap {params.bootstrap} --seed {params.seed}"
        " --output {output.measures} 2>&1 | tee {log}"
