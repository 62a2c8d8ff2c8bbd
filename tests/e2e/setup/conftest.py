"""A fake machine for one test: a clone, its commands, and the output of those commands.

Rule: programs in PATH, mounts and users are faked, the scripts of setup/ never, except second-engine.sh in the tests of
`make test`: it starts a real engine, and has tests of its own.
"""

import dataclasses
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[3]
COMPOSE_FILES: Final = ("compose.yml", "compose.airgap.yml", "compose.tls.yml")
PARTS: Final = ("Makefile", "setup", "requirements", *COMPOSE_FILES, "pyproject.toml")
# All that setup/ may use of a machine besides docker, apt and Python: Debian's essential packages, make, iproute2.
TOOLS: Final = (
    "awk basename bash cat chmod chown cksum cmp cp cut date df dirname env expand false find flock grep head id",
    "install ip iptables iptables-restore iptables-save ip6tables ip6tables-restore ip6tables-save ln ls make mkdir",
    "mktemp mv nice paste readlink rm sed setpriv setsid sh sha256sum sleep sort ss stat tail tar tee test timeout",
    "touch tr true uname wc xargs",
)

# What a Compose file says, and no more than the setup asks for.
CONFIG: Final = (
    '{"name": "world", "services": {"db": {"image": "db:1"}, "proxy": {"image": "proxy:1"},'
    ' "app": {"image": "app:1", "build": {"args": {"PYTHON_IMAGE": "base:1"}}}}}'
)


REAL_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def real(name: str) -> str:
    """Return the path of a real command of this machine."""
    path = shutil.which(name, path=REAL_PATH)
    assert path, f"{name} is not on this machine"
    return path


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """The exit code and the output of a command."""

    code: int
    said: str


@dataclasses.dataclass(frozen=True, slots=True)
class FakeMachine:
    """One machine: `home` holds the clone, the commands and the record of their calls."""

    home: Path

    @property
    def clone(self) -> Path:
        """The clone of the repository."""
        return self.home / "clone"

    @property
    def dotenv(self) -> Path:
        """The clone's .env."""
        return self.clone / ".env"

    def fake(self, name: str, script: str) -> None:
        """Give the machine a command, a bash script that leaves its call in the record."""
        program = self.home / "bin" / name
        program.unlink(missing_ok=True)
        record = shlex.quote(str(self.home / "calls"))
        program.write_text(f'#!/bin/bash\nprintf "%s\\n" "{name} $*" >>{record}\n{script}\n')
        program.chmod(0o755)

    def have(self, *names: str) -> None:
        """Give the machine real commands of this one."""
        for name in names:
            (self.home / "bin" / name).unlink(missing_ok=True)
            (self.home / "bin" / name).symlink_to(real(name))

    def docker(self, answers: Mapping[str, str] = {}) -> None:
        """Give the machine a docker command; `answers` are bash commands by the pattern of the arguments."""
        arms = {**answers, **{k: v for k, v in DOCKER.items() if k not in answers}}
        cases = "\n".join(f"  {pattern}) {command} ;;" for pattern, command in arms.items())
        self.fake("docker", f'case "$*" in\n{cases}\n  *) exit 1 ;;\nesac')

    def python(self, *, pip: str = "exit 0", version: str = "") -> None:
        """Give the machine a Python whose package index and version are what the test says."""
        old = f'case "$*" in *version_info*) exit 1 ;; *python_version*) echo {version}; exit ;; esac'
        self.fake(
            "python3",
            f"{old if version else ''}\n"
            'case "$*" in\n'
            '  "-m venv --clear "*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python"\n'
            '    printf "#!/bin/bash\\n" >"$4/bin/cloison" && chmod +x "$4/bin/cloison" ;;\n'
            '  "-m pip --disable-pip-version-check --no-input --version") [[ $0 == */.venv/* ]] ;;\n'
            f'  "-m pip"*) {pip} ;;\n'
            "  *agent_image*) echo localhost/cloison/agent:1 ;;\n"
            f'  *) exec {shlex.quote(sys.executable)} "$@" ;;\n'
            "esac",
        )

    def calls(self) -> list[str]:
        """What the faked commands were called with, in order."""
        record = self.home / "calls"
        return record.read_text().splitlines() if record.exists() else []

    def start(self, *command: str, user: int = 0, before: str = "", **extra: str) -> subprocess.Popen[str]:
        """Start a command in the clone; `before` is done first, in mount and network namespaces of its own."""
        line = [*command]
        if user:
            line = [real("setpriv"), f"--reuid={user}", f"--regid={user}", "--clear-groups", *line]
        if before:
            alone = f'mount -t tmpfs tmpfs /run\nmkdir /run/lock\n{before}\nPATH={self.home}/bin\nexec "$@"'
            unshare = [real("unshare"), "--mount", "--net", "--propagation=private"]
            line = [*unshare, real("bash"), "-ec", f"PATH={REAL_PATH}\n{alone}", "bash", *line]
        return subprocess.Popen(
            line,
            cwd=self.clone,
            env={"PATH": f"{self.home}/bin", "HOME": f"{self.home}/user", "LANG": "C.UTF-8", **extra},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, user: int = 0, before: str = "", **extra: str) -> Result:
        """Run a command in the clone to its end."""
        return self.end_of(self.start(*command, user=user, before=before, **extra))

    @staticmethod
    def end_of(process: subprocess.Popen[str], seconds: float = 120) -> Result:
        """Wait for a command; one that outlives the time is ended with its children."""
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.terminate()  # the scripts end their own children, which have process groups of their own
            said, _ = process.communicate(timeout=30)
            pytest.fail(f"still running after {seconds} s: {said}")
        return Result(process.returncode, said)


# A machine with a good engine, Compose v2 and no image; each row can be replaced by a test.
DOCKER: Final[Mapping[str, str]] = {
    '"context inspect"*': "echo unix:///var/run/docker.sock",
    '"version --format {{.Server.APIVersion}}"*': 'echo "1.51 28.5.2"',
    '"version --format"*': "echo ok",
    '"compose version"*': "echo 2.40.3",
    '"compose "*"config --format json"': f"echo '{CONFIG}'",
    '"compose config --format json"': f"echo '{CONFIG}'",
    '"compose config"': "echo 'name: world'",
    '"compose up"*': "exit 0",
    '"compose down"*': "exit 0",
    '"compose exec -T app python -m ledger "*': "exit 0",  # a ledger that has an administrator
    '"ps "*': "exit 0",
    '"info "*': "echo /",
    '"image inspect"*': "exit 1",
    '"image ls"*|"volume ls"*|"network ls"*': "exit 0",
    '"manifest inspect"*': "exit 0",
    '"pull"*': "exit 0",
    '"save "*|"load "*': "exit 0",
}


@pytest.fixture
def minimal_machine() -> Iterator[FakeMachine]:
    """A machine with the tools of every Debian and nothing else: no engine, no Python, no apt."""
    with tempfile.TemporaryDirectory(prefix="cloison-world-") as name:
        home = Path(name)
        home.chmod(0o755)
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, home / "clone" / part)
            else:
                (home / "clone").mkdir(exist_ok=True)
                shutil.copy2(ROOT / part, home / "clone" / part)
        (home / "bin").mkdir()
        (home / "user").mkdir()
        fake_machine = FakeMachine(home)
        fake_machine.have(*(tool for line in TOOLS for tool in line.split()))
        yield fake_machine


@pytest.fixture
def fake_machine(minimal_machine: FakeMachine) -> FakeMachine:
    """A machine where everything is in order: an engine, Compose v2, Python, a registry, room and a free port."""
    minimal_machine.docker()
    minimal_machine.python()
    minimal_machine.fake("df", "echo header; echo / 0 0 999999999 0 /")
    return minimal_machine
