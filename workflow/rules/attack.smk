# One-pixel attacks on trained networks.

ATTACK = config["analyses"]["attack"]
ATTACKS = expand(f"{RESULTS}/attack/{{model}}.npz", model=ANALYSED)
ATTACK_FILES = [
    f"{RESULTS}/attack/victims.json",
    *ATTACKS,
    f"{RESULTS}/analyses/attack.json",
    f"{RESULTS}/tables/attack.csv",
]


rule victims:
    input:
        **code("analyses/victims.py", COMPUTE_ENV),
        predictions=expand(PREDICTIONS, model=ANALYSED, seed=ANALYSED_SEED),
    output:
        victims=f"{RESULTS}/attack/victims.json",
    log:
        f"{LOGS}/victims.log",
    conda:
        "../../envs/compute.yaml"
    params:
        at_most=ATTACK["victims"],
        seed=ATTACK["seed"],
    message:
        "Choose the test images that networks are attacked on."
    shell:
        "python {input.script} --predictions {input.predictions} --at-most {params.at_most}"
        " --seed {params.seed} --output {output.victims} 2>&1 | tee {log}"


rule attack:
    input:
        **code("analyses/attack.py", COMPUTE_ENV),
        architecture=architecture,
        model=expand(f"{RUN}/model.safetensors", seed=ANALYSED_SEED, allow_missing=True),
        images=f"{STUDY_WORK}/conditions/clean.npy",
        split=SPLIT_CSV,
        victims=rules.victims.output.victims,
    output:
        attacks=f"{RESULTS}/attack/{{model}}.npz",
    log:
        f"{LOGS}/attack/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/attack/{{model}}.tsv"
    conda:
        "../../envs/compute.yaml"
    threads: config["train"]["threads"]
    resources:
        gpu=GPU,
    params:
        methods=ATTACK["methods"],
        evolution=as_json(
            {
                key: ATTACK[key]
                for key in ("population", "generations", "factor", "published")
            }
        ),
        seed=ATTACK["seed"],
        device=config["train"]["device"],
        stars_removed=STARS_REMOVED,
        resume=f"work/resume/{STUDY}/attack/{{model}}",
    message:
        "Attack {wildcards.model} by single pixels."
    shell:
        "python {input.script} --model {input.model} --images {input.images} --split {input.split}"
        " --victims {input.victims} --methods {params.methods} --evolution {params.evolution:q}"
        " --seed {params.seed} {params.stars_removed} --device {params.device} --threads {threads}"
        " --resume {params.resume} --output {output.attacks} 2>&1 | tee {log}"


rule measure_attacks:
    input:
        **code("analyses/measure_attacks.py", COMPUTE_ENV),
        attacks=ATTACKS,
        victims=rules.victims.output.victims,
        metrics=f"{RESULTS}/metrics.json",
    output:
        measures=f"{RESULTS}/analyses/attack.json",
        table=report(
            f"{RESULTS}/tables/attack.csv",
            caption="../report/attack.rst",
            category="Attack",
        ),
    log:
        f"{LOGS}/measure_attacks.log",
    group:
        "report"
    conda:
        "../../envs/compute.yaml"
    message:
        "Count how often one pixel is enough."
    shell:
        "python {input.script} --attacks {input.attacks} --victims {input.victims}"
        " --metrics {input.metrics} --output {output.measures} --output-table {output.table}"
        " 2>&1 | tee {log}"


rule plot_attack_rates:
    input:
        **code("report/plot_attack_rates.py", REPORT_ENV),
        measures=rules.measure_attacks.output.measures,
        metrics=f"{RESULTS}/metrics.json",
    output:
        figure=report(
            f"{FIGURES}/attack_rates.svg",
            caption="../report/attack_rates.rst",
            category="Attack",
        ),
    log:
        f"{LOGS}/plot_attack_rates.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    message:
        "Plot how often one pixel is enough, and what it turns classes into."
    shell:
        "python {input.script} --measures {input.measures} --metrics {input.metrics}"
        " --output {output.figure} 2>&1 | tee {log}"


rule plot_attack_examples:
    input:
        **code("report/plot_attack_examples.py", REPORT_ENV),
        attacks=ATTACKS,
        metrics=f"{RESULTS}/metrics.json",
    output:
        figure=report(
            f"{FIGURES}/attack_examples.svg",
            caption="../report/attack_examples.rst",
            category="Attack",
        ),
    log:
        f"{LOGS}/plot_attack_examples.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    message:
        "Show attacked galaxies with the pixel marked."
    shell:
        "python {input.script} --attacks {input.attacks} --metrics {input.metrics}"
        " --output {output.figure} 2>&1 | tee {log}"
