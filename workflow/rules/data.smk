# From a source of galaxies to a verified, split, memory-mapped set.

# What the study begins with. Simulated images are drawn from it where they are needed, to the last
# bit, and so no stage of DVC holds them.
SIMULATED = SOURCE == "simulated"
RAW = f"{WORK if SIMULATED else DATA}/raw.h5"
DATA_FILES = [
    f"{DATA}/galaxies.npz" if SIMULATED else RAW,
    f"{DATA}/verified.json",
    f"{DATA}/catalogue.csv",
    f"{DATA}/lookalikes.csv",
    f"{DATA}/blank.csv",
    f"{DATA}/audit.json",
    f"{DATA}/neighbours.csv",
    SPLIT_CSV,
    SPLIT_JSON,
]


# Only where it is missing: Snakemake deletes a job's outputs before it runs, and what somebody has put
# there, or what took hours to come, is no job's to delete. verify checks its digest.
if not Path("data/galaxy10/raw.h5").exists():

    rule download:
        input:
            **code("data/download.py", COMPUTE_ENV),
        output:
            raw="data/galaxy10/raw.h5",
        log:
            f"{LOGS}/download.log",
        conda:
            "../../envs/compute.yaml"
        params:
            mirrors=config["data"]["galaxy10"]["mirrors"],
            sha256=config["data"]["galaxy10"]["sha256"],
        message:
            "Download Galaxy10 DECaLS (2.54 GB) and check its SHA-256."
        shell:
            "python {input.script} --mirrors {params.mirrors:q} --sha256 {params.sha256:q}"
            " --output {output.raw} 2>&1 | tee {log}"


rule simulate:
    input:
        **code("data/simulate.py", COMPUTE_ENV),
    output:
        galaxies="data/simulated/galaxies.npz",
    log:
        f"{LOGS}/simulate.log",
    group:
        "data"
    conda:
        "../../envs/compute.yaml"
    params:
        per_class=config["data"]["simulated"]["per_class"],
        size=config["data"]["simulated"]["size"],
        seed=config["data"]["simulated"]["seed"],
    message:
        "Simulate galaxies of ten classes."
    shell:
        "python {input.script} --per-class {params.per_class} --size {params.size}"
        " --seed {params.seed} --output {output.galaxies} 2>&1 | tee {log}"


rule draw:
    input:
        **code("data/draw.py", COMPUTE_ENV),
        galaxies="data/simulated/galaxies.npz",
    output:
        raw="work/simulated/raw.h5",
    log:
        f"{LOGS}/draw.log",
    group:
        "data"
    conda:
        "../../envs/compute.yaml"
    message:
        "Draw the images of the simulated galaxies."
    shell:
        "python {input.script} --galaxies {input.galaxies} --output {output.raw} 2>&1 | tee {log}"


rule import_images:
    input:
        **code("data/import_images.py", COMPUTE_ENV),
    output:
        raw="data/images/raw.h5",
    log:
        f"{LOGS}/import_images.log",
    group:
        "data"
    conda:
        "../../envs/compute.yaml"
    params:
        class_names=CLASSES,
        content=own_digest,
        pixel_scale=config["data"]["images"]["pixel_scale"],
    message:
        "Import the images of a folder."
    shell:
        'python {input.script} --folder="$EQUIMORPH_REAL_DATA" --class-names {params.class_names:q}'
        " --pixel-scale {params.pixel_scale} --output {output.raw} 2>&1 | tee {log}"


rule import_hdf5:
    input:
        **code("data/import_hdf5.py", COMPUTE_ENV),
    output:
        raw="data/hdf5/raw.h5",
    log:
        f"{LOGS}/import_hdf5.log",
    group:
        "data"
    conda:
        "../../envs/compute.yaml"
    params:
        sha256=own_digest,
    message:
        "Import the images of an HDF5 file."
    shell:
        'python {input.script} --file="$EQUIMORPH_HDF5" --sha256 {params.sha256}'
        " --output {output.raw} 2>&1 | tee {log}"


rule verify:
    input:
        **code("data/verify.py", COMPUTE_ENV),
        raw=RAW,
    output:
        verified=f"{DATA}/verified.json",
    log:
        f"{LOGS}/verify.log",
    group:
        "data"
    conda:
        "../../envs/compute.yaml"
    params:
        classes=len(CLASSES),
        expected=expected_raw(),
    message:
        "Check the raw file against the schema, and its digest where one is published."
    shell:
        "python {input.script} --raw {input.raw} --classes {params.classes} {params.expected}"
        " --output {output.verified} 2>&1 | tee {log}"


rule convert:
    input:
        **code("data/convert.py", COMPUTE_ENV),
        raw=RAW,
        verified=f"{DATA}/verified.json",
    output:
        images=f"{WORK}/images.npy",
    log:
        f"{LOGS}/convert.log",
    benchmark:
        f"{BENCHMARKS}/convert.tsv"
    group:
        "data"
    conda:
        "../../envs/compute.yaml"
    message:
        "Convert the images of the raw file to one memory-mapped array."
    shell:
        "python {input.script} --raw {input.raw} --images {output.images} 2>&1 | tee {log}"


rule remove_stars:
    input:
        **code("data/remove_stars.py", COMPUTE_ENV),
        images=f"{WORK}/images.npy",
        catalogue=f"{DATA}/catalogue.csv",
    output:
        images=f"{WORK}/starless.npy",
    log:
        f"{LOGS}/remove_stars.log",
    group:
        "data"
    conda:
        "../../envs/compute.yaml"
    params:
        seed=config["data"]["stars"]["seed"],
    message:
        "Remove the field stars from all images."
    shell:
        "python {input.script} --images {input.images} --catalogue {input.catalogue}"
        " --seed {params.seed} --output {output.images} 2>&1 | tee {log}"


# Apart from convert, whose array is made anew where it is missing: the split must not follow.
rule catalogue:
    input:
        **code("data/catalogue.py", COMPUTE_ENV),
        raw=RAW,
        verified=f"{DATA}/verified.json",
    output:
        catalogue=f"{DATA}/catalogue.csv",
    log:
        f"{LOGS}/catalogue.log",
    group:
        "data"
    conda:
        "../../envs/compute.yaml"
    params:
        class_names=CLASSES,
    message:
        "Write the catalogue of the raw file."
    shell:
        "python {input.script} --raw {input.raw} --class-names {params.class_names:q}"
        " --catalogue {output.catalogue} 2>&1 | tee {log}"


# From the raw file, for the same reason.
rule find_lookalikes:
    input:
        **code("data/find_lookalikes.py", COMPUTE_ENV),
        raw=RAW,
        verified=f"{DATA}/verified.json",
    output:
        pairs=f"{DATA}/lookalikes.csv",
        blank=f"{DATA}/blank.csv",
    log:
        f"{LOGS}/find_lookalikes.log",
    group:
        "data"
    conda:
        "../../envs/compute.yaml"
    threads: 4
    params:
        similarity=config["data"]["split"]["similarity"],
    message:
        "Find images that are one, also turned, mirrored or recompressed, and blank ones."
    shell:
        "python {input.script} --raw {input.raw} --similarity {params.similarity}"
        " --output-pairs {output.pairs} --output-blank {output.blank} 2>&1 | tee {log}"


rule audit:
    input:
        **code("data/audit.py", COMPUTE_ENV),
        catalogue=f"{DATA}/catalogue.csv",
        pairs=f"{DATA}/lookalikes.csv",
        blank=f"{DATA}/blank.csv",
    output:
        audit=f"{DATA}/audit.json",
        neighbours=f"{DATA}/neighbours.csv",
    log:
        f"{LOGS}/audit.log",
    group:
        "data"
    conda:
        "../../envs/compute.yaml"
    params:
        classes=len(CLASSES),
        radius=config["data"]["split"]["radius_arcsec"],
    message:
        "Audit the data set for duplicates, neighbours and gaps."
    shell:
        "python {input.script} --catalogue {input.catalogue} --lookalikes {input.pairs} --blank {input.blank}"
        " --classes {params.classes} --radius-arcsec {params.radius} --output-audit {output.audit}"
        " --output-neighbours {output.neighbours} 2>&1 | tee {log}"


rule split:
    input:
        **code("data/split.py", COMPUTE_ENV),
        catalogue=f"{DATA}/catalogue.csv",
        pairs=f"{DATA}/lookalikes.csv",
        blank=f"{DATA}/blank.csv",
        table=split_table(),
    output:
        csv=SPLIT_CSV,
        json=SPLIT_JSON,
    log:
        f"{LOGS}/split.log",
    group:
        "data"
    conda:
        "../../envs/compute.yaml"
    params:
        settings=split_arguments(),
        origin=table_arguments(),
    message:
        "Split the galaxies once, for every model and seed."
    shell:
        "python {input.script} --catalogue {input.catalogue} --lookalikes {input.pairs} --blank {input.blank}"
        " {params.settings} {params.origin:q} --output-csv {output.csv} --output-json {output.json} 2>&1 | tee {log}"
