"""What can be checked of the cluster profiles and the container image without a cluster."""

import importlib.util
import re
import shlex

import pytest
import yaml
from snakemake.cli import get_argument_parser

PROFILES = ("slurm", "kubernetes")
# Not in a group: the targets, what needs the network, and what takes long.
ALONE = {"all", "data", "images", "search", "download", "train", "optimise", "predict"}
ALONE |= {"equivariance"}
# What the report's group waits for, or what takes long.
ALONE |= {"victims", "attack", "explain", "predict_sweeps", "measure_sweeps", "embed"}
ALONE |= {"calibrate", "explore"}
# Data sets that nothing else waits for.
ALONE |= {"opened", "open_images", "oversampled", "oversample"}
# As the rules that they are made from.
ALONE |= {"pretrain", "predict_pretrained"}


def profile(root, name: str) -> dict:
    return yaml.safe_load((root / f"profiles/{name}/config.yaml").read_text())


@pytest.fixture(scope="module")
def rules(root) -> dict[str, str]:
    """The text of every rule, by its name."""
    files = [root / "Snakefile", *(root / "workflow/rules").glob("*.smk")]
    text = "\n".join(path.read_text() for path in files)
    heads = r"^ *(?:rule|use rule \w+ as) (\w+)(?: with)?:"
    parts = re.split(heads, text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("name", PROFILES)
def test_the_keys_of_a_profile_are_options_of_snakemake(root, name):
    options = {
        option for action in get_argument_parser()._actions for option in action.option_strings
    }
    keys = [key for key in profile(root, name) if not key.startswith(f"{name}-")]
    assert keys and not [key for key in keys if f"--{key}" not in options]


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_knows_every_rule(root, name, rules):
    assert set(profile(root, name)["set-resources"]) <= rules.keys()


def test_short_jobs_have_a_group(rules):
    grouped = {name for name, text in rules.items() if re.search(r"^ +group:$", text, re.MULTILINE)}
    assert grouped == rules.keys() - ALONE


def test_a_dry_run_takes_the_kubernetes_profile(fresh):
    plugins = ("snakemake_executor_plugin_kubernetes", "snakemake_storage_plugin_fs")
    if not all(map(importlib.util.find_spec, plugins)):
        pytest.skip(f"{', '.join(plugins)}: only the container image has them")
    volume = ("--default-storage-prefix", str(fresh.folder))
    done = fresh.run("snakemake", "--profile", "profiles/kubernetes", *volume, "-n")
    assert "Group job data" in done.stdout


def test_driver_and_profile_mean_the_same_volume(root):
    text = (root / "profiles/kubernetes/driver.yaml").read_text()
    objects = {one["kind"]: one for one in yaml.safe_load_all(text)}
    claim = objects["PersistentVolumeClaim"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    pod = objects["Pod"]["spec"]
    (volume,), (mount,) = pod["volumes"], pod["containers"][0]["volumeMounts"]
    assert volume["name"] == mount["name"]
    name = claim["metadata"]["name"]
    assert volume["persistentVolumeClaim"]["claimName"] == name
    settings, place = profile(root, "kubernetes"), mount["mountPath"]
    assert settings["kubernetes-persistent-volumes"] == [f"{name}:{place}"]
    assert settings["default-storage-prefix"] == pod["containers"][0]["workingDir"] == place
    assert f"ln -sfn {place}/work/resume {place}/work/search work/" in settings["precommand"]
    role, binding = objects["Role"], objects["RoleBinding"]
    account = objects["ServiceAccount"]["metadata"]["name"]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [subject["name"] for subject in binding["subjects"]] == [account]
    assert pod["serviceAccountName"] == account
    # What the executor calls: it starts and removes jobs, reads pods and logs, keeps a secret.
    verbs = {name: set(rule["verbs"]) for rule in role["rules"] for name in rule["resources"]}
    assert verbs["jobs"] >= {"create", "delete"} and verbs["jobs/status"] >= {"get"}
    assert verbs["pods"] >= {"list", "delete"} and verbs["pods/log"] >= {"get"}
    assert verbs["secrets"] >= {"create", "delete"}


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Containerfile, with continued lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines()]


def test_the_container_image_is_the_locked_environment(root):
    parsed = instructions((root / "envs/Containerfile").read_text())
    assert {name for name, _ in parsed} <= {"FROM", "RUN", "WORKDIR", "COPY", "ENV"}
    assert parsed[0][0] == "FROM"
    version = re.search(r"python:(\d\.\d+)", parsed[0][1])[1]
    assert f"python={version}" in (root / "envs/compute.yaml").read_text()
    sources = [word for name, rest in parsed if name == "COPY" for word in shlex.split(rest)[:-1]]
    assert sources == ["requirements.lock"]
    assert all((root / source).is_file() for source in sources)
    commands = [" ".join(rest.split()) for name, rest in parsed if name == "RUN"]
    assert any("--no-deps -r requirements.lock" in command for command in commands)
    assert any("-c requirements.lock snakemake-executor-plugin-kubernetes==" in c for c in commands)
