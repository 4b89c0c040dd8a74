# Degraded test sets, one per condition.

DEGRADATIONS_USED = sorted(
    f"{DEGRADATIONS}.{step['kind']}"
    for name in CONDITIONS
    if name != "clean"
    for step in steps_of(config["conditions"][name])
)


rule degrade:
    input:
        **code("robustness/degrade.py", COMPUTE_ENV),
        degradation=degradation,
        images=IMAGES,
        split=SPLIT_CSV,
    output:
        images=f"{STUDY_WORK}/conditions/{{condition}}.npy",
    log:
        f"{LOGS}/degrade/{{condition}}.log",
    group:
        "data"
    conda:
        "../../envs/compute.yaml"
    params:
        specification=condition_json,
    message:
        "Make the test images of the condition {wildcards.condition}."
    shell:
        "python {input.script} --images {input.images} --split {input.split}"
        " --specification {params.specification:q} --output {output.images} 2>&1 | tee {log}"
