"""Several processes that share each batch give the numbers of one."""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
import torch.distributed as dist
from torch import nn

from equimorph.errors import InputError, TrainingError
from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.io import read_json
from equimorph.models.architectures.harmonic import FieldBatchNorm
from equimorph.models.checkpoint import learned_state
from equimorph.models.initialisation import initialise
from equimorph.models.registry import build
from equimorph.steerable.convolution import plane
from equimorph.study.models import resolve
from equimorph.training.loop import train
from equimorph.training.parallel import ALONE, Processes, join
from equimorph.training.recipe import read_recipe
from tests.conftest import ROOT
from tests.jobs import RECIPE, TRUNK, Job, blobs, train_script

# Each option that looks at a whole batch. Not Adam: of a gradient that is but rounding, a bias's
# before batch norm, it makes whole steps, which show in the validation.
WHOLE = {
    "optimiser": "sgd",
    "grad_clip": 0.5,
    "ema": 0.9,
    "mixup": 0.4,
    "sampler": "weighted",
    "loss": {"kind": "focal", "gamma": 1.0, "class_weights": [1.5, 0.5]},
}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def torchrun(job):
    """Start the script in two processes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    with open(job.log, "ab") as log:
        return subprocess.Popen(
            [*TORCHRUN, train_script.__file__, *job.arguments()],
            env=environment,
            stdout=log,
            stderr=log,
        )


@pytest.mark.slow
def test_torchrun_gives_the_loss_curve_of_one_process(tmp_path):
    one, two = (Job(tmp_path / name, "D4", **WHOLE) for name in ("one", "two"))
    launched = torchrun(two)
    assert one.finish() == 0, one.log.read_text()
    assert launched.wait(300) == 0, two.log.read_text()
    history, expected = two.read_history(), one.read_history()
    assert len(history) == 4 and history["lr"].equals(expected["lr"])
    for loss in ("train_loss", "validation_loss"):
        assert (history[loss] - expected[loss]).abs().max() < 1e-4
    assert sorted(path.name for path in two.model.parent.iterdir()) == [
        "history.csv",
        "model.safetensors",
        "run.json",
    ]
    assert not two.state.exists()
    assert two.log.read_text().count("D4 seed 3: 100%") == 1  # one process reports


@pytest.mark.slow
def test_a_killed_process_ends_the_others_and_the_next_run_resumes(tmp_path):
    job = Job(tmp_path, epochs=40, patience=40)
    launched = torchrun(job)
    deadline = time.monotonic() + 300
    while not job.state.exists() and time.monotonic() < deadline:
        assert launched.poll() is None, job.log.read_text()
        time.sleep(0.01)
    workers = Path(f"/proc/{launched.pid}/task/{launched.pid}/children").read_text().split()
    assert len(workers) == 2
    os.kill(int(workers[1]), signal.SIGKILL)
    assert launched.wait(120) != 0
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    assert job.state.exists() and not job.model.exists()
    kept = torch.load(job.state, weights_only=True)["state"]["progress"]["history"]

    assert torchrun(job).wait(300) == 0, job.log.read_text()
    history = pd.read_csv(job.history)
    # Seconds would not be the same in epochs that were trained again.
    assert list(history["seconds"][: len(kept)]) == [row["seconds"] for row in kept]
    assert len(history) == 40 and read_json(job.run)["world_size"] == 2


class Noisy(nn.Module):
    """Batch norm of torch and of our own, and dropout of torch and of escnn."""

    def __init__(self):
        super().__init__()
        space = plane(parse_group("C4"))
        self.type = enn.FieldType(space, 2 * [space.regular_repr])
        self.maps = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.Dropout2d(0.1),
        )
        self.fields = nn.Sequential(
            FieldBatchNorm(self.type),
            enn.FieldDropout(self.type, 0.2),
            enn.PointwiseDropout(self.type, 0.2, inplace=True),
        )
        self.head = nn.Sequential(nn.BatchNorm1d(8), nn.Dropout(0.3, inplace=True), nn.Linear(8, 2))

    def forward(self, images):
        """Map pixel values to logits."""
        maps = enn.GeometricTensor(self.maps(images.float() / 255), self.type)
        return self.head(self.fields(maps).tensor.mean(dim=(2, 3)))


def network(name):
    torch.manual_seed(0)
    if name == "noisy":
        return Noisy()
    made = build(resolve(name, {}, TRUNK), 2)
    initialise(made, torch.Generator().manual_seed(0))
    return made


def curve(name, precision, processes=ALONE):
    recipe = read_recipe({**RECIPE, "epochs": 3, "precision": precision})
    made = network(name)
    # 21 images to validate on: no two equal shares.
    progress = train(made, blobs(64, 0), blobs(21, 1), recipe, 3, processes=processes)
    columns = ("train_loss", "validation_loss")
    history = torch.tensor([[row[column] for column in columns] for row in progress.history])
    return history, learned_state(made)


def one_of_two(rank, folder, function, arguments):
    """Be one of two processes; save what the function returns."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.save(function(*arguments, Processes(rank, 2)), folder / f"{rank}.pt")
    dist.destroy_process_group()


def in_two(folder, function, *arguments):
    """Return what a function returns in each of two processes."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    children = [
        processes.Process(target=one_of_two, args=(rank, folder, function, arguments))
        for rank in range(2)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(300)
        assert child.exitcode == 0
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize(
    "name, precision",
    [("noisy", "float32"), ("noisy", "bfloat16"), ("D4", "float32")],
)
def test_norms_and_dropout_are_those_of_the_whole_batch(name, precision, tmp_path):
    (history, state), (other_history, other_state) = in_two(tmp_path, curve, name, precision)
    assert torch.equal(history, other_history)
    assert all(torch.equal(state[key], other_state[key]) for key in state)  # they do not drift
    expected, expected_state = curve(name, precision)
    tolerance = 1e-4 if precision == "float32" else 2e-2
    torch.testing.assert_close(history[:, 0], expected[:, 0], rtol=0, atol=tolerance)
    # Adam's steps along what has no gradient show here; see WHOLE.
    torch.testing.assert_close(history[:, 1], expected[:, 1], rtol=0, atol=max(tolerance, 5e-3))
    assert state.keys() == expected_state.keys()
    for key in state:
        if "running_var" in key or "tracked" in key:
            torch.testing.assert_close(state[key], expected_state[key], rtol=1e-2, atol=tolerance)


def normed(shape, processes=ALONE):
    """Return a batch norm's output and gradients for this process's share."""
    draw = torch.Generator().manual_seed(1)
    kind = {2: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[len(shape)]
    norm = nn.Sequential(kind(shape[1])).double()
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.normal_(generator=draw)
    # A mean far from 0: what a difference of large numbers would lose shows.
    values = 100 + torch.randn(shape, generator=draw, dtype=torch.float64)
    targets = torch.randn(shape, generator=draw, dtype=torch.float64)
    processes.synchronise(norm)
    mine = processes.share(len(values))
    share = values[mine].float().requires_grad_()
    output = norm.float()(share)
    (output - targets[mine].float()).square().mean().backward()
    processes.average_gradients(norm)
    gradients = [parameter.grad for parameter in norm.parameters()]
    running = [norm[0].running_mean, norm[0].running_var]
    return output.detach(), share.grad / processes.world_size, gradients + running


@pytest.mark.parametrize("shape", [(8, 3), (8, 3, 5, 5), (4, 2, 3, 5, 5)])
def test_batch_norm_and_its_gradient(shape, tmp_path):
    first, second = in_two(tmp_path, normed, shape)
    output, on_input, rest = normed(shape)
    torch.testing.assert_close(torch.cat([first[0], second[0]]), output, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(torch.cat([first[1], second[1]]), on_input, rtol=1e-3, atol=1e-6)
    for mine, other, expected in zip(first[2], second[2], rest, strict=True):
        assert torch.equal(mine, other)
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-5)


def test_a_batch_that_cannot_be_shared_equally_is_refused():
    with pytest.raises(InputError, match="train.batch_size 33: 2 processes .* multiples of 2"):
        Processes(0, 2).share(33)
    assert [Processes(rank, 2).share(32) for rank in range(2)] == [slice(0, 16), slice(16, 32)]


def test_alone_nothing_changes():
    with join(torch.device("cpu")) as processes:
        assert processes is ALONE
    made = network("noisy")
    kinds = [type(module) for module in made.modules()]
    ALONE.synchronise(made)
    assert kinds == [type(module) for module in made.modules()]
    value = torch.ones(3)
    assert ALONE.total(value) is value and ALONE.map_rows(lambda rows: rows, value) is value
    assert ALONE.from_first(lambda: 5) == 5


def lose_a_peer(rank, port, result):
    """Be one of two processes, of which the second dies while the first waits for it."""
    os.environ.update(TORCHELASTIC_RUN_ID="test", WORLD_SIZE="2", RANK=str(rank))
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    try:
        with join(torch.device("cpu")) as processes:
            processes.total(torch.ones(1))
            if rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            processes.total(torch.ones(1))
    except TrainingError as error:
        result.write_text(str(error))


def test_who_loses_a_peer_says_so(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = multiprocessing.get_context("forkserver")
    children = [
        processes.Process(target=lose_a_peer, args=(rank, port, tmp_path / "message"))
        for rank in range(2)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0, -signal.SIGKILL]
    message = (tmp_path / "message").read_text()
    assert message == "another process of this training ended; see its message."
