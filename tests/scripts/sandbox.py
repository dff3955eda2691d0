"""Runs the project's scripts with fake tools that record their calls."""

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from config.paths import ROOT

SCRIPTS = ROOT / "scripts"

# Tools of this machine that the scripts use, and tools that only asmcli would use.
REAL_TOOLS = (
    "awk",
    "bash",
    "cat",
    "chmod",
    "cp",
    "dirname",
    "env",
    "grep",
    "jq",
    "mkdir",
    "mktemp",
    "ps",
    "rm",
    "sha256sum",
    "touch",
)
ASMCLI_TOOLS = ("csplit", "git", "head", "sed", "tar", "tr")
TOKEN = "canary-token-1f0b9d"

GCLOUD = """
if [[ "$*" == *get-credentials* ]]; then printf 'kubeconfig of %s\\n' "$4" >"$KUBECONFIG"; fi
if [[ "$*" == *"--format json"* ]]; then printf '[]\\n'; fi
"""
ISTIOCTL = f"""
all="$*" name="${{all#*--name }}"
printf 'kind: Secret\\nname: istio-remote-secret-%s\\nstringData: {{token: {TOKEN}}}\\n' "${{name%% *}}"
"""
CURL = """
cp "$HERE/home/asmcli" "${@: -2:1}"  # --output FILE URL
"""
# Keeps the completion markers of every cluster.
KUBECTL = """
all="$*" at="$HERE/cluster"
if [[ "$1" == --kubeconfig && -r "$2" ]]; then
  read -r line <"$2"
  if [[ "$line" =~ \\"current-context\\":\\"([^\\"]*)\\" ]]; then line="kubeconfig of ${BASH_REMATCH[1]}"; fi
  at="$HERE/${line// /-}"
fi
mkdir -p "$at"
case "$all" in
  *"annotate --local"*) cat; rest="${all#*/inputs=}"; printf 'inputs: %s\\n' "${rest%% *}" ;;
  *"create configmap"*)
    rest="${all#*=}" name="${all#*create configmap }"
    printf 'name: %s\\ninputs: %s\\n' "${name%% *}" "${rest%% *}"
    ;;
  *"--filename -"*)
    input="$(cat)"
    printf '%s\\n' "$input" >"$HERE/applied.yaml"
    while read -r key value; do
      case "$key" in
        name:) name="$value" ;;
        inputs:) printf '%s' "$value" >"$at/$name" ;;
        deploy:) printf '%s' "$value" >"$at/$name.deploy" ;;
      esac
    done <<<"$input"
    ;;
  *"get configmap "* | *"get secret "*)
    rest="${all#*get * }"
    if [[ -e "$at/${rest%% *}" ]]; then cat "$at/${rest%% *}"; fi
    ;;
  *"get customresourcedefinition "*) printf customresourcedefinition/there ;;
esac
"""
FAKE_TOOLS = {
    **dict.fromkeys((*ASMCLI_TOOLS, "gke-gcloud-auth-plugin"), "exit 99"),
    **{"uname": "printf 'x86_64\\n'", "sleep": "", "curl": CURL},
    **{"gcloud": GCLOUD, "istioctl": ISTIOCTL, "kubectl": KUBECTL},
}


def link_tools(folder: Path, *tools: str) -> None:
    """Link tools of this machine into a folder."""
    for tool in tools:
        found = shutil.which(tool)
        assert found is not None, f"{tool} is missing on this machine"
        (folder / tool).symlink_to(found)


@dataclass(frozen=True)
class ScriptRun:
    """The result of a script.

    Attributes:
        status: its exit status.
        output: its output, both streams.
        calls: its calls of fake tools, in order, each with its arguments.
    """

    status: int
    output: str
    calls: list[str]

    def calls_of(self, tool: str) -> list[str]:
        return [call.removeprefix(f"{tool} ") for call in self.calls if call.split(" ")[0] == tool]


@dataclass
class Sandbox:
    """A PATH of fake tools, a home, and a folder for temporary files, which scripts have to leave empty."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("bin", "home", "tmp"):
            (self.folder / name).mkdir()
        link_tools(self.folder / "bin", *REAL_TOOLS)
        for tool, body in FAKE_TOOLS.items():
            self.fake_tool(tool, body)
        self.fake_tool("asmcli", 'env >"$HERE/asmcli.env"; exit 0', folder="home")

    def fake_tool(self, tool: str, body: str, folder: str = "bin") -> Path:
        """Write a tool that records its call and then runs ``body``, in which $HERE is the sandbox.

        It uses no environment variable, as scripts may run it without an environment.
        """
        path = self.folder / folder / tool
        path.unlink(missing_ok=True)  # a link to the machine's own program, which must not be written to
        path.write_text(
            f"#!{shutil.which('bash')}\nset -u\nHERE='{self.folder}'\n"
            f'printf \'%s\\n\' "{tool} $*" >>"$HERE/calls"\n{body}\n',
            encoding="utf-8",
        )
        path.chmod(0o755)
        return path

    def start(self, script: str, **inputs: str) -> "subprocess.Popen[str]":
        """Start a script in a process group of its own."""
        base = {
            "PATH": str(self.folder / "bin"),
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "PROJECT": "test-project",
            "ENDPOINT": "public",
        }
        bash = shutil.which("bash")
        assert bash is not None
        return subprocess.Popen(
            [bash, "-p", str(SCRIPTS / script)],
            env={**base, **self.variables, **inputs},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def finish(self, process: "subprocess.Popen[str]") -> ScriptRun:
        """Wait for a script, which has to leave no temporary file."""
        try:
            output, _ = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert self.temporary_files() == []
        calls = self.folder / "calls"
        lines = calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []
        return ScriptRun(
            process.returncode, output, [line for line in lines if not line.startswith(("uname", "sleep"))]
        )

    def run(self, script: str, **inputs: str) -> ScriptRun:
        return self.finish(self.start(script, **inputs))

    def succeed(self, script: str, **inputs: str) -> ScriptRun:
        """Run a script that has to succeed."""
        run = self.run(script, **inputs)
        assert run.status == 0, run.output
        return run

    def fail(self, script: str, **inputs: str) -> ScriptRun:
        """Run a script that has to fail."""
        run = self.run(script, **inputs)
        assert run.status == 1, run.output
        return run

    def temporary_files(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "tmp").iterdir())
