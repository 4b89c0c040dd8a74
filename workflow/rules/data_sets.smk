# Data sets made of the study's, for who wants them on disk; no other rule needs them.
# Each is a source of another study: EQUIMORPH_HDF5=FILE make results PRESET=…, with data.source: hdf5.

OVERSAMPLED = f"{STUDY_WORK}/oversampled-{split_name()}"

check_source_is_not_of_this_study()


rule open_images:
    input:
        **code("analyses/open_images.py", COMPUTE_ENV),
        raw=RAW,
        verified=f"{DATA}/verified.json",
    output:
        raw=f"{STUDY_WORK}/opened-{{radius}}.h5",
    log:
        f"{LOGS}/open_images/{{radius}}.log",
    wildcard_constraints:
        radius=r"\d+",
    conda:
        "../../envs/compute.yaml"
    message:
        "Open all images with a disc of {wildcards.radius} px."
    shell:
        "python {input.script} --raw {input.raw} --radius {wildcards.radius} --output {output.raw}"
        " 2>&1 | tee {log}"


rule oversample:
    input:
        **code("analyses/oversample.py", COMPUTE_ENV),
        raw=RAW,
        verified=f"{DATA}/verified.json",
        split=SPLIT_CSV,
    output:
        raw=f"{OVERSAMPLED}.h5",
        split=f"{OVERSAMPLED}.csv",
    log:
        f"{LOGS}/oversample.log",
    conda:
        "../../envs/compute.yaml"
    params:
        augmentation=literally(config["train"]["augmentation"]),
        seed=config["data"]["split"]["seed"],
    message:
        "Fill the small classes up with changed training images."
    shell:
        "python {input.script} --raw {input.raw} --split {input.split}"
        " --augmentation <(printf %s {params.augmentation:q}) --seed {params.seed}"
        " --output {output.raw} --output-split {output.split} 2>&1 | tee {log}"


localrules:
    opened,
    oversampled,


# S1's two radii.
rule opened:
    input:
        expand(rules.open_images.output.raw, radius=(3, 4)),


# As S3's.
rule oversampled:
    input:
        rules.oversample.output,
