"""Remotes: the store inside the repository, and an S3 bucket on a server that runs here."""

import hashlib
import shutil

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.scripts import load

from .conftest import Project, clone_of

BUCKET = "galaxies"
REGION = "us-east-1"
AWS = {
    "AWS_ACCESS_KEY_ID": "someone",
    "AWS_SECRET_ACCESS_KEY": "something",
    "AWS_DEFAULT_REGION": REGION,
    "NO_PROXY": "127.0.0.1",
}
MODEL = "results/demo/models/D4/seed-0/model.safetensors"


@pytest.fixture(scope="module")
def publish():
    """The module behind `make publish`."""
    return load("workflow/dvc_publish.py")


def test_the_store_holds_what_the_lock_names_and_is_small(root, publish):
    store = root / ".dvc/store"
    files = {path for path in store.rglob("*") if path.is_file()}
    assert files == publish.needed(root, store)
    assert publish.size(store) <= publish.LARGEST == 20 * 2**20
    for path in files:
        digest = hashlib.md5(path.read_bytes()).hexdigest()
        assert digest == f"{path.parent.name}{path.name}".removesuffix(".dir")


@pytest.fixture(scope="module")
def repository(published) -> Project:
    """The published study, and who one is for the server."""
    return Project(published.folder, {**published.environment, **AWS})


def test_publish_refreshes_the_store_with_one_command(repository, publish, tmp_path):
    """What has changed runs, what is new comes into the store, what was published before goes."""
    project = clone_of(repository, tmp_path / "repository")
    shutil.copytree(repository.folder / ".dvc/cache", project.folder / ".dvc/cache")
    project.run("dvc", "checkout", "-q")
    store = project.folder / ".dvc/store"
    shutil.rmtree(store)
    stale = store / "files/md5/ab/cdef"
    stale.parent.mkdir(parents=True)
    stale.write_text("of an earlier study")
    (project.folder / "workflow/report/sky_map.rst").write_text("Edited here.\n")
    # A further study; .dvcignore leaves the weights of single trainings out.
    second = project.folder / "results/galaxy10-48px"
    for name in ("classifier/model.safetensors", "models/D4/seed-0/model.safetensors"):
        (second / name).parent.mkdir(parents=True)
        (second / name).write_text(name)
    project.run("dvc", "add", "results/galaxy10-48px")

    done = project.run("python", "workflow/dvc_publish.py")
    assert "1 files of earlier results removed" in done.stdout and not stale.exists()
    files = {path for path in store.rglob("*") if path.is_file()}
    assert files == publish.needed(project.folder, store)
    report = project.folder / "results/demo/report.html"
    assert "Edited here." in report.read_text()
    md5 = hashlib.md5(report.read_bytes()).hexdigest()
    assert store / "files/md5" / md5[:2] / md5[2:] in files

    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "two studies")
    clone = clone_of(project, tmp_path / "clone")
    clone.run("dvc", "pull", "-q")
    assert "up to date" in clone.run("dvc", "status").stdout
    found = (clone.folder / "results/galaxy10-48px").rglob("*.safetensors")
    assert [path.read_text() for path in found] == ["classifier/model.safetensors"]


@pytest.fixture(scope="module")
def bucket():
    """An S3 bucket on a server of our own, and the server's address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    session = boto3.session.Session(
        aws_access_key_id=AWS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=AWS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )
    bucket = session.resource("s3", endpoint_url=address).Bucket(BUCKET)
    bucket.create()
    yield bucket, address
    server.stop()


@pytest.fixture(scope="module")
def on_s3(repository, bucket, tmp_path_factory) -> Project:
    """A clone with a second remote, as docs/sharing.md has it, and pushed to it."""
    clone = clone_of(repository, tmp_path_factory.mktemp("s3") / "clone")
    shutil.copytree(repository.folder / ".dvc/cache", clone.folder / ".dvc/cache")
    for line in (
        ("add", "--default", "lab", f"s3://{BUCKET}/equimorph"),
        ("modify", "lab", "endpointurl", bucket[1]),
        ("modify", "lab", "verify", "true"),
    ):
        clone.run("dvc", "remote", *line)
    clone.run("dvc", "push", "-q")
    clone.run("git", "commit", "-qam", "remote")
    return clone


@pytest.fixture
def damaged(repository, bucket):
    """A bit of one model's object on the server is wrong, its size is right."""
    md5 = hashlib.md5((repository.folder / MODEL).read_bytes()).hexdigest()
    thing = bucket[0].Object(f"equimorph/files/md5/{md5[:2]}/{md5[2:]}")
    content = thing.get()["Body"].read()
    thing.put(Body=content[:-1] + bytes([content[-1] ^ 1]))
    yield
    thing.put(Body=content)


def test_a_damaged_object_is_not_pulled_and_can_be_replaced(on_s3, bucket, damaged, tmp_path):
    """The remote's `verify`: the objects are hashed as they arrive."""
    clone = clone_of(on_s3, tmp_path / "clone")
    done = clone.run("dvc", "pull", check=False)
    assert done.returncode != 0
    assert "Checkout failed for following targets:\nresults/demo" in done.stdout
    assert not (clone.folder / MODEL).exists()
    # DVC takes the objects of a listing that is there for present, so all of them go.
    bucket[0].objects.all().delete()
    on_s3.run("dvc", "push", "-q")
    clone.run("dvc", "pull", "-q")
    assert "up to date" in clone.run("dvc", "status").stdout
    assert clone.planned() == {}


def test_a_damaged_object_from_a_remote_without_verify_is_refused(on_s3, damaged, tmp_path):
    """DVC takes it for good; the records do not."""
    clone = clone_of(on_s3, tmp_path / "clone")
    clone.run("dvc", "remote", "modify", "lab", "verify", "false")
    clone.run("dvc", "pull", "-q")
    (clone.folder / "workflow/report/sky_map.rst").write_text("Edited here.\n")
    done = clone.run("dvc", "repro", check=False)
    assert done.returncode != 0 and f"error: {MODEL} differs" in done.stdout
