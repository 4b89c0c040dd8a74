# Figures and the report.


rule plot_accuracy_by_order:
    input:
        **code("report/plot_accuracy_by_order.py", REPORT_ENV),
        metrics=f"{RESULTS}/metrics.json",
    output:
        figure=report(
            f"{FIGURES}/accuracy_by_order.svg",
            caption="../report/accuracy_by_order.rst",
            category="Results",
        ),
    log:
        f"{LOGS}/plot_accuracy_by_order.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    message:
        "Plot accuracy against group order under every condition."
    shell:
        "python {input.script} --metrics {input.metrics}"
        " --output {output.figure} 2>&1 | tee {log}"


rule plot_equivariance:
    input:
        **code("report/plot_equivariance.py", REPORT_ENV),
        equivariance=ALL_EQUIVARIANCE,
    output:
        figure=report(
            f"{FIGURES}/equivariance.svg",
            caption="../report/equivariance.rst",
            category="Results",
        ),
    log:
        f"{LOGS}/plot_equivariance.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    message:
        "Plot how the networks respond when images are rotated."
    shell:
        "python {input.script} --equivariance <(printf '%s\\n' {input.equivariance})"
        " --output {output.figure} 2>&1 | tee {log}"


rule plot_training_curves:
    input:
        **code("report/plot_training_curves.py", REPORT_ENV),
        metrics=f"{RESULTS}/metrics.json",
        histories=expand(f"{RUN}/history.csv", model=MODELS, seed=SEEDS),
    output:
        figure=report(
            f"{FIGURES}/training_curves.svg",
            caption="../report/training_curves.rst",
            category="Training",
        ),
    log:
        f"{LOGS}/plot_training_curves.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    message:
        "Plot the training curves of all models."
    shell:
        "python {input.script} --metrics {input.metrics}"
        " --histories <(printf '%s\\n' {input.histories}) --output {output.figure} 2>&1 | tee {log}"


rule plot_confusion:
    input:
        **code("report/plot_confusion.py", REPORT_ENV),
        metrics=f"{RESULTS}/metrics.json",
    output:
        figure=report(
            f"{FIGURES}/confusion.svg",
            caption="../report/confusion.rst",
            category="Results",
        ),
    log:
        f"{LOGS}/plot_confusion.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    message:
        "Plot the confusion matrices of the best equivariant model and the reference."
    shell:
        "python {input.script} --metrics {input.metrics}"
        " --output {output.figure} 2>&1 | tee {log}"


rule plot_reliability:
    input:
        **code("report/plot_reliability.py", REPORT_ENV),
        metrics=f"{RESULTS}/metrics.json",
    output:
        figure=report(
            f"{FIGURES}/reliability.svg",
            caption="../report/reliability.rst",
            category="Results",
        ),
    log:
        f"{LOGS}/plot_reliability.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    message:
        "Plot how far confidence can be trusted."
    shell:
        "python {input.script} --metrics {input.metrics}"
        " --output {output.figure} 2>&1 | tee {log}"


rule plot_class_histogram:
    input:
        **code("report/plot_class_histogram.py", REPORT_ENV),
        split=SPLIT_CSV,
    output:
        figure=report(
            f"{FIGURES}/class_histogram.svg",
            caption="../report/class_histogram.rst",
            category="Data",
        ),
    log:
        f"{LOGS}/plot_class_histogram.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    params:
        class_names=CLASSES,
    message:
        "Plot the classes of each subset."
    shell:
        "python {input.script} --split {input.split} --class-names {params.class_names:q}"
        " --output {output.figure} 2>&1 | tee {log}"


rule plot_sky_map:
    input:
        **code("report/plot_sky_map.py", REPORT_ENV),
        catalogue=f"{DATA}/catalogue.csv",
        split=SPLIT_CSV,
    output:
        figure=report(
            f"{FIGURES}/sky_map.svg",
            caption="../report/sky_map.rst",
            category="Data",
        ),
    log:
        f"{LOGS}/plot_sky_map.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    params:
        class_names=CLASSES,
    message:
        "Plot where the galaxies lie on the sky."
    shell:
        "python {input.script} --catalogue {input.catalogue} --split {input.split}"
        " --class-names {params.class_names:q} --output {output.figure} 2>&1 | tee {log}"


rule plot_class_sheet:
    input:
        **code("report/plot_class_sheet.py", REPORT_ENV),
        images=IMAGES,
        split=SPLIT_CSV,
    output:
        figure=report(
            f"{FIGURES}/class_sheet.webp",
            caption="../report/class_sheet.rst",
            category="Data",
        ),
    log:
        f"{LOGS}/plot_class_sheet.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    params:
        class_names=CLASSES,
    message:
        "Show training images of every class."
    shell:
        "python {input.script} --images {input.images} --split {input.split} --class-names {params.class_names:q}"
        " --output {output.figure} 2>&1 | tee {log}"


rule plot_condition_sheet:
    input:
        **code("report/plot_condition_sheet.py", REPORT_ENV),
        conditions=CONDITION_IMAGES,
        split=SPLIT_CSV,
    output:
        figure=report(
            f"{FIGURES}/condition_sheet.webp",
            caption="../report/condition_sheet.rst",
            category="Data",
        ),
    log:
        f"{LOGS}/plot_condition_sheet.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    params:
        class_names=CLASSES,
    message:
        "Show test images under every condition."
    shell:
        "python {input.script} --conditions {input.conditions}"
        " --split {input.split} --class-names {params.class_names:q}"
        " --output {output.figure} 2>&1 | tee {log}"


rule plot_label_curve:
    input:
        **code("report/plot_label_curve.py", REPORT_ENV),
        table=f"{RESULTS}/tables/label_curve.csv",
    output:
        figure=report(
            f"{FIGURES}/label_curve.svg",
            caption="../report/label_curve.rst",
            category="Results",
        ),
    log:
        f"{LOGS}/plot_label_curve.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    message:
        "Plot accuracy against the number of labels."
    shell:
        "python {input.script} --table {input.table} --output {output.figure} 2>&1 | tee {log}"


# What each analysis that runs leaves: figures, numbers for the report, and all else.
ANALYSIS_FIGURES = [
    name
    for analysis, names in {
        "attack": ("attack_rates.svg", "attack_examples.svg"),
        "explanation": ("explanation.webp", "feature_maps.webp"),
        "sweeps": ("sweeps.svg",),
        "latent": ("latent_maps.svg", "latent_numbers.svg"),
        "calibration": ("calibration.svg",),
        "exploration": (
            "galaxies_by_class.svg",
            "preparations.webp",
            "augmentations.webp",
            "class_scores.svg",
        ),
    }.items()
    if analysis in ANALYSES
    for name in names
]
ANALYSIS_MEASURES = [f"{RESULTS}/analyses/{name}.json" for name in ANALYSES]
ANALYSIS_FILES = [
    path
    for analysis, paths in {
        "attack": ATTACK_FILES,
        "sweeps": SWEEP_FILES,
        "latent": [*EMBEDDINGS, LATENT_MAP],
        "calibration": CALIBRATION_FILES,
        "exploration": EXPLORATION_FILES,
    }.items()
    if analysis in ANALYSES
    for path in paths
]


CALIBRATED = {*ANALYSED} if "calibration" in ANALYSES else set()
FIGURE_FILES = [
    f"{FIGURES}/{name}"
    for name in (
        "accuracy_by_order.svg",
        "equivariance.svg",
        "training_curves.svg",
        "confusion.svg",
        # The analysis shows it before and after scaling.
        *([] if CALIBRATED >= {*MODELS} else ["reliability.svg"]),
        "class_histogram.svg",
        "sky_map.svg",
        "class_sheet.webp",
        "condition_sheet.webp",
        *(["label_curve.svg"] if FEWER_LABELS else []),
        *ANALYSIS_FIGURES,
    )
]


rule report:
    input:
        **code("report/report.py", REPORT_ENV),
        degradations=found_by_name(*DEGRADATIONS_USED),
        template="workflow/report/report.html.j2",
        captions=CAPTIONS,
        metrics=f"{RESULTS}/metrics.json",
        verified=f"{DATA}/verified.json",
        audit=f"{DATA}/audit.json",
        split=SPLIT_JSON,
        runs=expand(f"{RUN}/run.json", model=MODELS, seed=SEEDS),
        figures=FIGURE_FILES,
        label_curve=[f"{RESULTS}/tables/label_curve.csv"] if FEWER_LABELS else [],
        analyses=ANALYSIS_MEASURES,
        map=[LATENT_MAP] if "latent" in ANALYSES else [],
        map_code=["workflow/report/latent_map.js"] if "latent" in ANALYSES else [],
    output:
        html=report(f"{RESULTS}/report.html", caption="../report/report.rst"),
    log:
        f"{LOGS}/report.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    params:
        config=literally(
            {k: v for k, v in config.items() if k not in ("search", "track", "sky")}
        ),
        label_curve=lambda wildcards, input: (
            f"--label-curve {input.label_curve}" if FEWER_LABELS else ""
        ),
        map=lambda wildcards, input: (
            f"--map {input.map} --map-code {input.map_code}" if input.map else ""
        ),
        search=search_figures(),
        search_sha256=digest(None, search_figures()),
    message:
        "Write the report."
    shell:
        "python {input.script} --metrics {input.metrics} --verified-json {input.verified}"
        " --audit-json {input.audit} --split-json {input.split}"
        " --runs <(printf '%s\\n' {input.runs}) --config <(printf %s {params.config:q})"
        " --figures {input.figures} {params.search} {params.label_curve}"
        " --analyses {input.analyses} {params.map} --captions $(dirname {input.template})"
        " --template {input.template} --output {output.html} 2>&1 | tee {log}"


# All that the study leaves, which is what DVC keeps: whatever of it is lost comes back.
RESULT_FILES = [
    *expand(f"{RUN}/model.safetensors", model=ENTRIES, seed=SEEDS),
    *expand(f"{RUN}/history.csv", model=ENTRIES, seed=SEEDS),
    *expand(f"{RUN}/run.json", model=ENTRIES, seed=SEEDS),
    *expand(PREDICTIONS, model=ENTRIES, seed=SEEDS),
    *ALL_EQUIVARIANCE,
    *expand(f"{RESULTS}/measures/{{model}}.json", model=ENTRIES),
    f"{RESULTS}/metrics.json",
    *expand(f"{RESULTS}/tables/{{table}}.csv", table=TABLES),
    *FIGURE_FILES,
    f"{CLASSIFIER}/model.safetensors",
    f"{CLASSIFIER}/companion.safetensors",
    *ANALYSIS_FILES,
    f"{CLASSIFIER}/card.md",
    f"{RESULTS}/classify.html",
    f"{RESULTS}/report.html",
]
