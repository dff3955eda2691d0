"""Texts that would like to be more than text: refused, or carried as what they are.

The texts are in `inputs/injection.yaml`; the places are found from the schema, so
that a new field is tried without a word here.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import ConfigError, load
from config.environment import Environment
from config.loading.load import parse_environment
from tests.config.free_texts import RIGHT, Place, places
from tests.config.inputs import INPUTS, THOROUGH
from tests.scripts.sandbox import SCRIPTS, Sandbox
from tests.synthesized import Synthesis, environment_of, synthesize
from tests.terraform.terraform import initialized, terraform

GROUPS: dict[str, list[str]] = yaml.safe_load((INPUTS / "injection.yaml").read_text(encoding="utf-8"))
TEXTS = [text for group in GROUPS.values() for text in group]
PLACES = {str(place): place for place in places()}

# The places that take such texts. How they carry them is proven one by one, below.
IN_CONTAINERS = "services.tokyo.env.tokyo"
FILE = "mesh.asmcli.file"

HARMLESS = re.compile(r"[A-Za-z0-9._/:@~-]*")
"""Texts that mean nothing to anybody; other places may take these."""


def read(place: Place, text: str) -> Environment | ConfigError:
    written = yaml.safe_dump(place.with_text(text))  # with escapes, so that all characters get as far as the field
    try:
        return parse_environment(written, "test.yaml", {})
    except ConfigError as error:
        return error


def accepted(place: str) -> list[str]:
    found = [text for text in TEXTS if isinstance(read(PLACES[place], text), Environment)]
    assert len(found) >= 30
    return found


def test_there_are_many_of_both() -> None:
    assert len(set(TEXTS)) == len(TEXTS) >= 30
    assert {IN_CONTAINERS, FILE, "project.id", "regions.KEY", "services.tokyo.route.path"} <= PLACES.keys()
    environment_of(yaml.safe_dump(RIGHT))


@pytest.mark.parametrize("name", PLACES)
def test_a_text_is_refused_or_taken_as_it_is(name: str) -> None:
    place = PLACES[name]
    for text in TEXTS:
        result = read(place, text)
        if isinstance(result, ConfigError):
            assert all(line.isprintable() for line in str(result).split("\n"))
            section = str(place.steps[0])
            assert any(problem.path.startswith(section) for problem in result.problems)
            continue
        assert text in place.text_of(result)
        assert HARMLESS.fullmatch(text) or name in (IN_CONTAINERS, FILE), (
            f"{name} takes {text!r}: refuse it, or prove below that it is carried as data"
        )


# --- in the JSON


def strings(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)


# One $ before the brace is an expression; two or more are a text that has one less.
EXPRESSION = re.compile(r"(?<!\$)\$\{(?=(.*))", re.S)
DIRECTIVE = re.compile(r"(?<!%)%\{")

OURS = re.compile(
    r"(sha256\(|base64decode\(|jsonencode\()*"
    r"(each\.(key|value)\b|self\.triggers\b|terraform\.workspace\b|data\.(terraform_remote_state|google_project)\."
    r"|ephemeral\.google_service_account_access_token\.|null_resource\.|google_[a-z_]+\.|local\.kubeconfigs_"
    r'|\{"apiVersion" = "v1", "kind" = "Config", )'
)
"""What our own expressions begin with. No function that reads a file is among them."""


def assert_all_expressions_are_ours(synthesis: Synthesis) -> None:
    count = 0
    for text in strings(synthesis.stacks):
        assert not DIRECTIVE.search(text), text
        for found in EXPRESSION.finditer(text):
            assert OURS.match(found[1]), text
            count += 1
    assert count > 10


def test_all_expressions_are_ours(reference: Synthesis, three_regions: Synthesis) -> None:
    assert_all_expressions_are_ours(reference)
    assert_all_expressions_are_ours(three_regions)


def test_a_foreign_expression_would_be_seen() -> None:
    for text in ("${file(1)}", "x ${path.root}", "%${path.root}", "%{ if true }", "${sha256(file(1))}", "$%{x}"):
        ours = EXPRESSION.search(text)
        assert (ours is not None and not OURS.match(ours[1])) or DIRECTIVE.search(text)
    for text in ("$${x}", "$$${x}", "%%{x}", "$", "{", "$ {x}"):
        assert not EXPRESSION.search(text)
        assert not DIRECTIVE.search(text)


def in_containers(folder: Path) -> tuple[Synthesis, dict[str, str]]:
    """Synthesize one service whose environment has every text.

    Returns:
        also the texts by variable.
    """
    env = {f"T{number}": text for number, text in enumerate(accepted(IN_CONTAINERS))}
    services = {"checkout": {"image": "i", "port": 8080, "env": env}}
    environment = environment_of(yaml.safe_dump(RIGHT | {"services": services}))
    return synthesize(environment, folder), env


def container_env(manifest: dict[str, Any]) -> dict[str, str]:
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one.get("value", "") for one in container["env"]}


def test_texts_of_containers_are_no_expressions(tmp_path: Path) -> None:
    synthesis, env = in_containers(tmp_path)
    assert_all_expressions_are_ours(synthesis)
    assert container_env(synthesis.object("tokyo", "Deployment", "checkout-v1")) == env


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not here: it has not read the texts")
def test_terraform_reads_texts_of_containers_as_they_are(tmp_path: Path) -> None:
    """The manifests as terraform hands them to the provider."""
    synthesis, env = in_containers(tmp_path)
    (manifest,) = [
        one["manifest"]
        for one in synthesis.all("ingress", "kubernetes_manifest").values()
        if one["manifest"]["metadata"]["name"] == "checkout-v1" and one["manifest"]["kind"] == "Deployment"
    ]
    folder = tmp_path / "read"
    folder.mkdir()
    (folder / "main.tf.json").write_text(json.dumps({"output": {"manifest": {"value": manifest}}}), encoding="utf-8")
    applied = terraform(folder, "apply", "-auto-approve")
    assert applied.returncode == 0, applied.stderr
    outputs = json.loads(terraform(folder, "output", "-json").stdout)
    assert container_env(outputs["manifest"]["value"]) == env
    assert not list(tmp_path.rglob("ran"))


FILES = [text for text in accepted(FILE) if text and "/" not in text and text != "~root" and text.strip(".")]


@pytest.mark.parametrize("name", FILES if THOROUGH else FILES[::9], ids=repr)
def test_a_file_of_any_name_is_carried(name: str, tmp_path: Path) -> None:
    """The installer's name is a user's own; it stands in the JSON, and the script copies it."""
    sandbox = Sandbox(folder := made(tmp_path / "machine"))
    (folder / name).write_text((folder / "home" / "asmcli").read_text(encoding="utf-8"), encoding="utf-8")
    config = folder / "mesh.yaml"
    config.write_text(yaml.safe_dump(PLACES[FILE].with_text(name)), encoding="utf-8")
    synthesis = synthesize(load(config, {}), tmp_path)
    assert_all_expressions_are_ours(synthesis)
    (install,) = [one for one in synthesis.all("mesh", "null_resource").values() if "install-mesh" in json.dumps(one)]
    carried = install["for_each"]["tokyo"]["asmcli_file"].replace("$${", "${").replace("%%{", "%{")
    assert carried.endswith(f"/{name}")
    inputs = {
        "CLUSTER": "tokyo-1",
        "LOCATION": "asia-northeast1",
        "MODE": "managed",
        "CHANNEL": "stable",
        "REVISION": "asm-managed-stable",
        "INPUTS": "x",
        "ASMCLI_URL": "https://example.invalid/asmcli",
        "ASMCLI_FILE": str(synthesis.outdir / "stacks" / "mesh" / carried),
    }
    run = sandbox.run("install-mesh.sh", **inputs)
    assert run.status == 0, run.output
    assert len(run.calls_of("asmcli")) == 1
    assert not list(tmp_path.rglob("ran"))


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


# --- in the scripts

ALL_SCRIPTS = sorted(path.name for path in SCRIPTS.glob("*.sh") if path.name != "lib.sh")
# No environment holds a NUL, and no input is empty.
CARRIED = [text for text in (TEXTS if THOROUGH else GROUPS["shell"]) if text and "\0" not in text]


@pytest.mark.parametrize("text", CARRIED, ids=repr)
def test_scripts_pass_texts_on_and_run_none(text: str, tmp_path: Path) -> None:
    """Whatever reaches a script as an input: no field lets most of these through, and should one do so…"""
    sandbox = Sandbox(tmp_path)
    for tool in ("gcloud", "kubectl", "istioctl"):
        sandbox.fake_tool(tool, f"""printf '%s\\0' {tool} "$@" $'\\n' >>"$HERE/arguments" """)
    for script in ALL_SCRIPTS:
        source = "".join((SCRIPTS / one).read_text(encoding="utf-8") for one in (script, "lib.sh"))
        inputs = dict.fromkeys(re.findall(r"\$\{?([A-Z][A-Z0-9_]+)", source), text)
        own = ("PATH", "HOME", "TMPDIR", "WORK", "STARTED", "SECONDS", "FLAGS", "BASH_SOURCE")
        inputs = {name: value for name, value in inputs.items() if name not in own}
        assert len(inputs) >= 2
        sandbox.run(script, **inputs | {"ENDPOINT": "public", "MODE": "managed", "WAIT_SECONDS": "0"})
    assert not list(tmp_path.rglob("ran"))
    calls = (tmp_path / "arguments").read_bytes().decode().split("\0\n\0")
    credentials = [call.split("\0") for call in calls if "get-credentials" in call]
    assert len(credentials) == 2, "of remove-mesh.sh and delete-remote-secret.sh; the others have a kubeconfig"
    reads = [call.split("\0") for call in calls if "\0get\0" in call and "\0secret\0" in call]
    assert [call[call.index("secret") + 1] for call in reads] == [text, text], "of the check, and after the deletion"
    for call in credentials:
        assert call[:4] == ["gcloud", "container", "clusters", "get-credentials"]
        assert call[4] == call[call.index("--location") + 1] == text


@pytest.mark.usefixtures("_providers")
def test_terraform_gives_texts_to_scripts_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the constructs, the real terraform and the null provider, when making and when cleaning up."""
    from constructs import script_folder  # noqa: PLC0415 (starts Node.js)
    from constructs.bindings import NullProvider, TerraformStack, Testing  # noqa: PLC0415
    from constructs.local_script import CleanupScript, LocalScript, ScriptContext  # noqa: PLC0415

    folder = made(tmp_path / "scripts")
    for script, end in (("make.sh", "made"), ("clean.sh", "cleaned")):
        (folder / script).write_text(f'printf "%s" "$TEXT" >"$FOLDER/$NAME.{end}"\n', encoding="utf-8")
    (folder / "lib.sh").write_text("", encoding="utf-8")
    monkeypatch.setattr(script_folder, "SCRIPTS", folder)
    # Terraform takes text in composed form only: what is not is refused by the configuration.
    texts = {f"t{number}": text for number, text in enumerate(accepted(IN_CONTAINERS)) if text}
    instances = {key: {"text": text, "name": key, "folder": str(tmp_path)} for key, text in texts.items()}
    app = Testing.app(outdir=str(tmp_path / "out"), stub_version=True, fake_cdktf_json_path=True)
    stack = TerraformStack(app, "scripts")
    NullProvider(stack, "null")
    scripts = script_folder.ScriptFolder(stack, "folder")
    reach = ScriptContext(project="p", endpoint="dns", account=None)
    CleanupScript(
        stack,
        "cleanup",
        scripts=scripts,
        script="clean.sh",
        context=reach,
        inputs=("text", "name", "folder"),
        instances=instances,
    )
    LocalScript(stack, "script", scripts=scripts, script="make.sh", context=reach, instances=instances)
    app.synth()
    work = initialized(tmp_path / "out" / "stacks" / "scripts")
    for command, end in (("apply", "made"), ("destroy", "cleaned")):
        result = terraform(work, command, "-auto-approve")
        assert result.returncode == 0, result.stdout + result.stderr
        got = {key: (tmp_path / f"{key}.{end}").read_bytes().decode() for key in texts}
        assert got == texts
    assert not list(tmp_path.rglob("ran"))
