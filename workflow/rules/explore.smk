# What the data look like.

EXPLORATION_FILES = [f"{RESULTS}/tables/galaxies.csv"]


rule explore:
    input:
        **code("analyses/explore.py", COMPUTE_ENV),
        images=f"{WORK}/images.npy",
        catalogue=f"{DATA}/catalogue.csv",
        split=SPLIT_CSV,
    output:
        galaxies=report(
            f"{RESULTS}/tables/galaxies.csv",
            caption="../report/galaxies.rst",
            category="Data",
        ),
        medians=f"{RESULTS}/analyses/exploration.json",
        sheets=f"{STUDY_WORK}/exploration.npz",
    log:
        f"{LOGS}/explore.log",
    conda:
        "../../envs/compute.yaml"
    params:
        class_names=CLASSES,
        augmentation=literally(config["train"]["augmentation"]),
        seed=config["evaluate"]["seed"],
    message:
        "Measure the training galaxies; prepare and augment some of them."
    shell:
        "python {input.script} --images {input.images} --catalogue {input.catalogue}"
        " --split {input.split} --class-names {params.class_names:q}"
        " --augmentation <(printf %s {params.augmentation:q}) --seed {params.seed}"
        " --output-galaxies {output.galaxies} --output-medians {output.medians}"
        " --output-sheets {output.sheets} 2>&1 | tee {log}"


rule plot_exploration:
    input:
        **code("report/plot_exploration.py", REPORT_ENV),
        galaxies=rules.explore.output.galaxies,
        sheets=rules.explore.output.sheets,
    output:
        galaxies=report(
            f"{FIGURES}/galaxies_by_class.svg",
            caption="../report/galaxies_by_class.rst",
            category="Data",
        ),
        preparations=report(
            f"{FIGURES}/preparations.webp",
            caption="../report/preparations.rst",
            category="Data",
        ),
        augmentations=report(
            f"{FIGURES}/augmentations.webp",
            caption="../report/augmentations.rst",
            category="Data",
        ),
    log:
        f"{LOGS}/plot_exploration.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    params:
        class_names=CLASSES,
    message:
        "Plot galaxies by class, and show how images are prepared and augmented."
    shell:
        "python {input.script} --galaxies {input.galaxies} --sheets {input.sheets}"
        " --class-names {params.class_names:q} --output-galaxies {output.galaxies}"
        " --output-preparations {output.preparations}"
        " --output-augmentations {output.augmentations} 2>&1 | tee {log}"


rule plot_class_scores:
    input:
        **code("report/plot_class_scores.py", REPORT_ENV),
        metrics=f"{RESULTS}/metrics.json",
    output:
        figure=report(
            f"{FIGURES}/class_scores.svg",
            caption="../report/class_scores.rst",
            category="Results",
        ),
    log:
        f"{LOGS}/plot_class_scores.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    message:
        "Plot how well each class is found by each network."
    shell:
        "python {input.script} --metrics {input.metrics} --output {output.figure} 2>&1 | tee {log}"
