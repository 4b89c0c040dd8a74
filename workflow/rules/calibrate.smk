# Calibration by one temperature per training.

CALIBRATIONS = expand(f"{RESULTS}/calibration/{{model}}.json", model=ANALYSED)
CALIBRATION_FILES = [*CALIBRATIONS, f"{RESULTS}/tables/calibration.csv"]


rule calibrate:
    input:
        **code("analyses/calibrate.py", COMPUTE_ENV),
        architecture=architecture,
        models=expand(f"{RUN}/model.safetensors", seed=SEEDS, allow_missing=True),
        predictions=expand(PREDICTIONS, seed=SEEDS, allow_missing=True),
        images=IMAGES,
        split=SPLIT_CSV,
    output:
        calibration=f"{RESULTS}/calibration/{{model}}.json",
    log:
        f"{LOGS}/calibrate/{{model}}.log",
    conda:
        "../../envs/compute.yaml"
    threads: config["train"]["threads"]
    resources:
        gpu=GPU,
    params:
        device=config["train"]["device"],
        stars_removed=STARS_REMOVED,
    message:
        "Calibrate {wildcards.model} on the validation images."
    shell:
        "python {input.script} --models {input.models} --predictions {input.predictions}"
        " --images {input.images} --split {input.split} {params.stars_removed}"
        " --device {params.device} --threads {threads} --output {output.calibration}"
        " 2>&1 | tee {log}"


rule measure_calibration:
    input:
        **code("analyses/measure_calibration.py", COMPUTE_ENV),
        calibrations=CALIBRATIONS,
    output:
        measures=f"{RESULTS}/analyses/calibration.json",
        table=report(
            f"{RESULTS}/tables/calibration.csv",
            caption="../report/calibration_table.rst",
            category="Calibration",
        ),
    log:
        f"{LOGS}/measure_calibration.log",
    group:
        "report"
    conda:
        "../../envs/compute.yaml"
    message:
        "Gather the calibration of all models."
    shell:
        "python {input.script} --calibrations {input.calibrations} --output {output.measures}"
        " --output-table {output.table} 2>&1 | tee {log}"


rule plot_calibration:
    input:
        **code("report/plot_calibration.py", REPORT_ENV),
        measures=rules.measure_calibration.output.measures,
        metrics=f"{RESULTS}/metrics.json",
    output:
        figure=report(
            f"{FIGURES}/calibration.svg",
            caption="../report/calibration.rst",
            category="Calibration",
        ),
    log:
        f"{LOGS}/plot_calibration.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    message:
        "Plot reliability before and after temperature scaling."
    shell:
        "python {input.script} --measures {input.measures} --metrics {input.metrics}"
        " --output {output.figure} 2>&1 | tee {log}"
