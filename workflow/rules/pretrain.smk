# Pretraining on simulated galaxies, for the models whose training starts from it.

PRETRAINING = f"{STUDY_WORK}/pretraining"
PRETRAINED = f"{RESULTS}/pretrained/{{model}}/seed-{{seed}}"


rule simulate_pretraining:
    input:
        **code("train/simulate_pretraining.py", COMPUTE_ENV),
    output:
        images=f"{PRETRAINING}/images.npy",
        catalogue=f"{PRETRAINING}/catalogue.csv",
        verified=f"{PRETRAINING}/verified.json",
        split=f"{PRETRAINING}/split.csv",
        split_json=f"{PRETRAINING}/split.json",
    log:
        f"{LOGS}/simulate_pretraining.log",
    group:
        "data"
    conda:
        "../../envs/compute.yaml"
    params:
        settings=pretraining_images(),
    message:
        "Simulate the galaxies that networks are pretrained on."
    shell:
        "python {input.script} {params.settings} --output-images {output.images}"
        " --output-catalogue {output.catalogue} --output-verified {output.verified}"
        " --output-split-csv {output.split} --output-split-json {output.split_json} 2>&1 | tee {log}"


# Under work/, as what networks are trained on.
PRETRAINING_FILES = list(rules.simulate_pretraining.output) if PRETRAINED_MODELS else []


# The training of a network, on other images.
use rule train as pretrain with:
    input:
        **code("train/train.py", COMPUTE_ENV),
        architecture=architecture,
        loss=loss,
        start=[],
        images=rules.simulate_pretraining.output.images,
        catalogue=rules.simulate_pretraining.output.catalogue,
        verified=rules.simulate_pretraining.output.verified,
        split=rules.simulate_pretraining.output.split,
        split_json=rules.simulate_pretraining.output.split_json,
    output:
        model=f"{PRETRAINED}/model.safetensors",
        history=f"{PRETRAINED}/history.csv",
        run=f"{PRETRAINED}/run.json",
    log:
        f"{LOGS}/pretrain/{{model}}/seed-{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/pretrain/{{model}}/seed-{{seed}}.tsv"
    params:
        specification=specification,
        recipe=pretraining_recipe,
        class_names=GALAXY10_CLASSES,
        launcher=shared_by(WORLD_SIZE),
        threads=config["train"]["threads"],
        device=config["train"]["device"],
        stars_removed="",
        beginning="",
        resume=f"work/resume/{STUDY}/pretrained-{{model}}-seed-{{seed}}.pt",
    message:
        "Pretrain {wildcards.model} with seed {wildcards.seed} on simulated galaxies."


# Before it has seen a single real label.
use rule predict as predict_pretrained with:
    input:
        **code("evaluate/predict.py", COMPUTE_ENV),
        architecture=architecture,
        model=f"{PRETRAINED}/model.safetensors",
        split=SPLIT_CSV,
        conditions=f"{STUDY_WORK}/conditions/clean.npy",
    output:
        logits=f"{PRETRAINED}/predictions.npz",
    log:
        f"{LOGS}/predict_pretrained/{{model}}/seed-{{seed}}.log",
    params:
        device=config["train"]["device"],
        stars_removed=STARS_REMOVED,
        turns="",
    message:
        "Predict the test images with {wildcards.model}, seed {wildcards.seed}, pretrained alone."
