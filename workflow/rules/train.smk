# One training per model and seed.

RUN = f"{RESULTS}/models/{{model}}/seed-{{seed}}"


rule train:
    input:
        **code("train/train.py", COMPUTE_ENV),
        architecture=architecture,
        loss=loss,
        start=start,
        images=IMAGES,
        catalogue=f"{DATA}/catalogue.csv",
        verified=f"{DATA}/verified.json",
        split=SPLIT_CSV,
        split_json=SPLIT_JSON,
    output:
        model=f"{RUN}/model.safetensors",
        history=f"{RUN}/history.csv",
        run=f"{RUN}/run.json",
    log:
        f"{LOGS}/train/{{model}}/seed-{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/train/{{model}}/seed-{{seed}}.tsv"
    conda:
        "../../envs/compute.yaml"
    threads: config["train"]["threads"] * WORLD_SIZE
    resources:
        gpu=WORLD_SIZE * GPU,
    params:
        specification=specification,
        recipe=recipe,
        class_names=CLASSES,
        launcher=shared_by(WORLD_SIZE),
        threads=config["train"]["threads"],
        device=config["train"]["device"],
        stars_removed=STARS_REMOVED,
        beginning=beginning,
        resume=f"work/resume/{STUDY}/{{model}}-seed-{{seed}}.pt",
    message:
        "Train {wildcards.model} with seed {wildcards.seed}."
    shell:
        "{params.launcher} {input.script} --images {input.images} {params.stars_removed}"
        " --catalogue {input.catalogue} --verified-json {input.verified}"
        " --split {input.split} --split-json {input.split_json} --model {wildcards.model} --seed {wildcards.seed}"
        " --specification {params.specification:q} --recipe {params.recipe:q}"
        " --class-names {params.class_names:q} --device {params.device} --threads {params.threads}"
        " {params.beginning}"
        " --resume {params.resume} --output-model {output.model}"
        " --output-history {output.history} --output-run {output.run} 2>&1 | tee {log}"
