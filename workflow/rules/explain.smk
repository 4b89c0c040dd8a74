# Where networks look.

# Under work/: the figures show what is in them.
EXPLANATIONS = expand(f"{STUDY_WORK}/explanation/{{model}}.npz", model=ANALYSED)


rule explain:
    input:
        **code("analyses/explain.py", COMPUTE_ENV),
        architecture=architecture,
        model=expand(f"{RUN}/model.safetensors", seed=ANALYSED_SEED, allow_missing=True),
        split=SPLIT_CSV,
        conditions=expand(
            f"{STUDY_WORK}/conditions/{{condition}}.npy",
            condition=config["analyses"]["explanation"]["conditions"]
            or CONDITIONS[:3],
        ),
    output:
        maps=f"{STUDY_WORK}/explanation/{{model}}.npz",
    log:
        f"{LOGS}/explain/{{model}}.log",
    conda:
        "../../envs/compute.yaml"
    threads: config["train"]["threads"]
    resources:
        gpu=GPU,
    params:
        images=config["analyses"]["explanation"]["images"],
        device=config["train"]["device"],
        stars_removed=STARS_REMOVED,
    message:
        "Explain what {wildcards.model} says of test images."
    shell:
        "python {input.script} --model {input.model} --split {input.split}"
        " --conditions {input.conditions} --images {params.images} {params.stars_removed}"
        " --device {params.device} --threads {threads} --output {output.maps} 2>&1 | tee {log}"


rule measure_explanations:
    input:
        **code("analyses/measure_explanations.py", COMPUTE_ENV),
        explanations=EXPLANATIONS,
    output:
        measures=f"{RESULTS}/analyses/explanation.json",
    log:
        f"{LOGS}/measure_explanations.log",
    group:
        "report"
    conda:
        "../../envs/compute.yaml"
    message:
        "Gather how well explanations turn with the image."
    shell:
        "python {input.script} --explanations {input.explanations} --output {output.measures}"
        " 2>&1 | tee {log}"


rule plot_explanations:
    input:
        **code("report/plot_explanations.py", REPORT_ENV),
        explanations=EXPLANATIONS,
        metrics=f"{RESULTS}/metrics.json",
    output:
        maps=report(
            f"{FIGURES}/explanation.webp",
            caption="../report/explanation.rst",
            category="Explanation",
        ),
        features=report(
            f"{FIGURES}/feature_maps.webp",
            caption="../report/feature_maps.rst",
            category="Explanation",
        ),
    log:
        f"{LOGS}/plot_explanations.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    message:
        "Show where networks look, and how their feature maps turn."
    shell:
        "python {input.script} --explanations {input.explanations} --metrics {input.metrics}"
        " --output-maps {output.maps} --output-features {output.features} 2>&1 | tee {log}"
