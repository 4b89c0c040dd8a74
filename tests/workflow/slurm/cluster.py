"""Install Debian's Slurm and run it on one node, out of a folder of its own.

As root, in a container too: no systemd, no cgroups, no accounting, no trace outside the folder but
the packages. The daemons run in the foreground as children of this process, on free ports and with
a key and a socket of their own, so that a Slurm that the machine runs already is not disturbed, and
that exactly these are stopped.
"""

import os
import platform
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PACKAGES = ("slurm-wlm", "munge")
DAEMONS = ("munged", "slurmctld", "slurmd")
SYSTEM_PATH = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))
POLICY = Path("/usr/sbin/policy-rc.d")

CONFIG = """\
ClusterName=equimorph
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SchedulerType=sched/builtin
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
KillWait=5
MinJobAge=86400
ReturnToService=2
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=256000 Gres=gpu:2 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP
"""


class Unavailable(Exception):
    """Slurm cannot be had on this machine; the message says why."""


def install() -> None:
    """Install Slurm from the distribution's packages, unless it is there.

    Raises:
        Unavailable: not Linux, not root, no apt-get, or apt-get failed.
    """
    if platform.system() != "Linux" or os.geteuid() != 0:
        raise Unavailable("a Slurm of one's own takes Linux and root")
    if all(shutil.which(daemon, path=SYSTEM_PATH) for daemon in DAEMONS):
        return
    if not shutil.which("apt-get"):
        raise Unavailable(f"{', '.join(PACKAGES)}: not installed, and there is no apt-get")
    unpacked_only = not POLICY.exists()
    if unpacked_only:  # packages start no daemons then; containers have this file already
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        _apt_get("update")
        _apt_get("install", "--yes", "--no-install-recommends", *PACKAGES)
    finally:
        if unpacked_only:
            POLICY.unlink()


def _apt_get(*arguments: str) -> None:
    done = subprocess.run(
        ["apt-get", "-o", "DPkg::Lock::Timeout=300", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise Unavailable(f"apt-get {arguments[0]} failed: {done.stdout[-500:]}")


class Cluster:
    """One node that is controller, worker and login node.

    It counts two GPUs, whose devices are empty files: jobs can ask for one and get a turn.
    """

    def __init__(self, cpus: int):
        # Short: a socket's path has at most 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        self.folder.chmod(0o755)  # munged wants its socket to be in reach of all
        self.environment = self.reach({**os.environ, "PATH": SYSTEM_PATH})
        self._daemons: list[subprocess.Popen] = []
        self._cpus = cpus

    def reach(self, environment: dict[str, str]) -> dict[str, str]:
        """Return an environment whose commands of Slurm talk to this cluster."""
        path = os.pathsep.join((str(self.folder / "bin"), environment["PATH"]))
        return {**environment, "PATH": path, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self) -> None:
        """Write the configuration, start the daemons and wait until the node is idle."""
        self._write_files()
        munge = ("--key-file", "munge.key", "--socket", "munge.socket", "--pid-file", "munge.pid")
        paths = [a if a.startswith("--") else str(self.folder / a) for a in munge]
        seed, log = (str(self.folder / name) for name in ("munge.seed", "munge.log"))
        self._launch("munged", "--foreground", "--force", *paths, "--seed-file", seed, "--log", log)
        self._wait(lambda: (self.folder / "munge.socket").exists(), "munged opens no socket")
        self._launch("slurmctld", "-D", "-f", self.environment["SLURM_CONF"])
        self._launch("slurmd", "-D", "-f", self.environment["SLURM_CONF"])
        self._wait(self._idle, "the node does not become idle")

    def stop(self) -> None:
        """Cancel all jobs, stop the daemons that were started here, remove the folder."""
        try:
            if len(self._daemons) == len(DAEMONS):
                self.run("scancel", "--user=root")
                self._wait(lambda: not self.run("squeue", "--noheader"), "a job does not end")
        finally:
            for daemon in reversed(self._daemons):
                daemon.terminate()
                try:
                    daemon.wait(30)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()
            self._daemons.clear()
            shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *command: str) -> str:
        """Return what a command of Slurm prints.

        Raises:
            AssertionError: it failed.
        """
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}{self._logs()}"
        return done.stdout

    def _write_files(self) -> None:
        host = socket.gethostname().split(".")[0]
        controller_port, node_port = _free_ports(2)
        text = CONFIG.format(
            host=host,
            folder=self.folder,
            controller_port=controller_port,
            node_port=node_port,
            cpus=self._cpus,
        )
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text(f"Name=gpu File={self.folder}/gpu[0-1]\n")
        for gpu in ("gpu0", "gpu1"):
            (self.folder / gpu).touch()
        # Nothing here uses cgroups. Left to itself, slurmd looks for systemd where cgroups are of
        # version 2; Slurm before 23.02 cannot switch them off, but does not touch version 1.
        plugin = "disabled" if _version() >= (23, 2) else "cgroup/v1"
        (self.folder / "cgroup.conf").write_text(f"CgroupPlugin={plugin}\n")
        # Inside a job the executor takes SLURM_CONF away from srun: it expects /etc/slurm.
        srun = self.folder / "bin/srun"
        srun.parent.mkdir()
        real = shutil.which("srun", path=SYSTEM_PATH)
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {real} "$@"\n')
        srun.chmod(0o755)
        (self.folder / "state").mkdir()
        (self.folder / "spool").mkdir()
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))

    def _launch(self, daemon: str, *arguments: str) -> None:
        with open(self.folder / f"{daemon}.log", "wb") as log:
            process = subprocess.Popen(
                [shutil.which(daemon, path=SYSTEM_PATH), *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in a terminal is for the test alone
            )
        self._daemons.append(process)

    def _idle(self) -> bool:
        for daemon in self._daemons:
            assert daemon.poll() is None, f"{daemon.args[0]} has ended{self._logs()}"
        done = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"],
            env=self.environment,
            capture_output=True,
            text=True,
        )
        return done.returncode == 0 and set(done.stdout.split()) == {"idle"}

    def _wait(self, condition, complaint: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{complaint}{self._logs()}"
            time.sleep(0.2)

    def _logs(self) -> str:
        logs = sorted(self.folder.glob("*.log"))
        return "".join(f"\n{log.name}:\n{log.read_text()[-1500:]}" for log in logs)


def _version() -> tuple[int, ...]:
    command = [shutil.which("slurmd", path=SYSTEM_PATH), "-V"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.search(r"(\d+)\.(\d+)", text).groups()))


def _free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
