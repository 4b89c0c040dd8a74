# Degraded test sets, one per condition.


rule degrade:
    input:
        script="workflow/scripts/robustness/degrade.py",
        modules=modules("robustness/degrade.py"),
        env=COMPUTE_ENV,
        images=IMAGES,
        split=SPLIT_CSV,
    output:
        images=f"{STUDY_WORK}/conditions/{{condition}}.npy",
    log:
        f"{LOGS}/degrade/{{condition}}.log",
    conda:
        "../../envs/compute.yaml"
    params:
        specification=condition_json,
    message:
        "Make the test images of the condition {wildcards.condition}."
    shell:
        "python {input.script} --images {input.images} --split {input.split}"
        " --specification {params.specification:q} --output {output.images} 2>&1 | tee {log}"
