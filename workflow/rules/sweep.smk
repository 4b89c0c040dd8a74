# Degradations at several levels: images, predictions, measures.

# Under work/: of the demo 6 MB that nobody looks at.
SWEPT_PREDICTIONS = expand(
    f"{STUDY_WORK}/sweeps/{{model}}/seed-{{seed}}.npz", model=ANALYSED, seed=SEEDS
)
SWEEP_FILES = [f"{RESULTS}/analyses/sweeps.json", f"{RESULTS}/tables/sweeps.csv"]


use rule predict as predict_sweeps with:
    input:
        **code("evaluate/predict.py", COMPUTE_ENV),
        architecture=architecture,
        model=f"{RUN}/model.safetensors",
        split=SPLIT_CSV,
        conditions=SWEPT_IMAGES,
    output:
        logits=f"{STUDY_WORK}/sweeps/{{model}}/seed-{{seed}}.npz",
    log:
        f"{LOGS}/predict_sweeps/{{model}}/seed-{{seed}}.log",
    message:
        "Predict the test images of all sweeps with {wildcards.model}, seed {wildcards.seed}."


rule measure_sweeps:
    input:
        **code("analyses/measure_sweeps.py", COMPUTE_ENV),
        predictions=SWEPT_PREDICTIONS,
    output:
        measures=f"{RESULTS}/analyses/sweeps.json",
        table=report(
            f"{RESULTS}/tables/sweeps.csv",
            caption="../report/sweep_table.rst",
            category="Sweeps",
        ),
    log:
        f"{LOGS}/measure_sweeps.log",
    conda:
        "../../envs/compute.yaml"
    params:
        sweeps=literally(config["analyses"]["sweeps"]),
        reference=config["evaluate"]["reference"],
        bootstrap=config["evaluate"]["bootstrap"],
        seed=config["evaluate"]["seed"],
    message:
        "Measure all models along the sweeps."
    shell:
        "python {input.script} --predictions <(printf '%s\\n' {input.predictions})"
        " --sweeps <(printf %s {params.sweeps:q}) --reference {params.reference:q}"
        " --bootstrap {params.bootstrap} --seed {params.seed}"
        " --output {output.measures} --output-table {output.table} 2>&1 | tee {log}"


rule plot_sweeps:
    input:
        **code("report/plot_sweeps.py", REPORT_ENV),
        measures=rules.measure_sweeps.output.measures,
        metrics=f"{RESULTS}/metrics.json",
    output:
        figure=report(
            f"{FIGURES}/sweeps.svg",
            caption="../report/sweeps.rst",
            category="Sweeps",
        ),
    log:
        f"{LOGS}/plot_sweeps.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    message:
        "Plot all models along the sweeps."
    shell:
        "python {input.script} --measures {input.measures} --metrics {input.metrics}"
        " --output {output.figure} 2>&1 | tee {log}"
