# The latent space of trained networks.

EMBEDDINGS = expand(f"{RESULTS}/latent/{{model}}.npz", model=ANALYSED)
LATENT_MAP = f"{RESULTS}/latent/map.json"


rule embed:
    input:
        **code("analyses/embed.py", COMPUTE_ENV),
        architecture=architecture,
        model=expand(f"{RUN}/model.safetensors", seed=ANALYSED_SEED, allow_missing=True),
        split=SPLIT_CSV,
        conditions=CONDITION_IMAGES,
        attacks=f"{RESULTS}/attack/{{model}}.npz" if "attack" in ANALYSES else [],
    output:
        embeddings=f"{RESULTS}/latent/{{model}}.npz",
    log:
        f"{LOGS}/embed/{{model}}.log",
    conda:
        "../../envs/compute.yaml"
    threads: config["train"]["threads"]
    resources:
        gpu=GPU,
    params:
        methods=config["analyses"]["latent"]["methods"],
        seed=config["analyses"]["latent"]["seed"],
        device=config["train"]["device"],
        stars_removed=STARS_REMOVED,
        attacks=(
            f"--attacks {RESULTS}/attack/{{model}}.npz" if "attack" in ANALYSES else ""
        ),
    message:
        "Embed the test images with {wildcards.model}."
    shell:
        "python {input.script} --model {input.model} --split {input.split}"
        " --conditions {input.conditions} {params.attacks} --methods {params.methods} --seed {params.seed}"
        " {params.stars_removed} --device {params.device} --threads {threads}"
        " --output {output.embeddings} 2>&1 | tee {log}"


rule measure_latent:
    input:
        **code("analyses/measure_latent.py", COMPUTE_ENV),
        embeddings=EMBEDDINGS,
        metrics=f"{RESULTS}/metrics.json",
    output:
        measures=f"{RESULTS}/analyses/latent.json",
    log:
        f"{LOGS}/measure_latent.log",
    group:
        "report"
    conda:
        "../../envs/compute.yaml"
    message:
        "Measure neighbours, distances and the scatter of turns."
    shell:
        "python {input.script} --embeddings {input.embeddings} --metrics {input.metrics}"
        " --output {output.measures} 2>&1 | tee {log}"


rule plot_latent:
    input:
        **code("report/plot_latent.py", REPORT_ENV),
        embeddings=EMBEDDINGS,
        measures=rules.measure_latent.output.measures,
        metrics=f"{RESULTS}/metrics.json",
    output:
        maps=report(
            f"{FIGURES}/latent_maps.svg",
            caption="../report/latent_maps.rst",
            category="Latent space",
        ),
        numbers=report(
            f"{FIGURES}/latent_numbers.svg",
            caption="../report/latent_numbers.rst",
            category="Latent space",
        ),
    log:
        f"{LOGS}/plot_latent.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    message:
        "Plot the latent spaces."
    shell:
        "python {input.script} --embeddings {input.embeddings} --measures {input.measures}"
        " --metrics {input.metrics} --output-maps {output.maps}"
        " --output-numbers {output.numbers} 2>&1 | tee {log}"


rule map_latent:
    input:
        **code("report/map_latent.py", REPORT_ENV),
        embeddings=EMBEDDINGS,
        images=f"{STUDY_WORK}/conditions/clean.npy",
        metrics=f"{RESULTS}/metrics.json",
    output:
        map=LATENT_MAP,
    log:
        f"{LOGS}/map_latent.log",
    group:
        "report"
    conda:
        "../../envs/report.yaml"
    params:
        crop=config["network"]["crop"],
    message:
        "Write the report's interactive map."
    shell:
        "python {input.script} --embeddings {input.embeddings} --images {input.images}"
        " --metrics {input.metrics} --crop {params.crop} --output {output.map} 2>&1 | tee {log}"
