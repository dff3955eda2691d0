"""Injection attempts are rejected, or stay data.

The texts are in `inputs/injection.yaml`; the fields come from the schema, so that new
fields are tested as well.
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
from tests.config.inputs import INPUTS, THOROUGH
from tests.config.text_fields import VALID, TextField, text_fields
from tests.kubelet import container_environment, expand
from tests.scripts.sandbox import SCRIPTS, Sandbox
from tests.synthesized import Synthesis, environment_of, synthesize
from tests.terraform.terraform import APPLY, initialized, run_terraform

GROUPS: dict[str, list[str]] = yaml.safe_load((INPUTS / "injection.yaml").read_text(encoding="utf-8"))
TEXTS = [text for group in GROUPS.values() for text in group]
FIELDS = {str(field): field for field in text_fields()}

# The fields that accept such texts. Tests below prove that they stay data.
IN_CONTAINERS = "services.tokyo.env.tokyo"
NAMES_IN_CONTAINERS = "services.tokyo.env.KEY"
VERSION_IN_CONTAINERS = "services.tokyo.version_env"
PREFIX_IN_CONTAINERS = "services.tokyo.env_from.0.prefix"
WORDS_IN_CONTAINERS = (
    "services.tokyo.command.0",
    "services.tokyo.args.0",
    *(f"services.tokyo.probes.{one}.exec.0" for one in ("liveness", "readiness", "startup")),
)
FILE = "mesh.asmcli.file"
HEADERS = tuple(
    f"services.tokyo.routes.0.{side}_headers.{change}.tokyo"
    for side in ("request", "response")
    for change in ("set", "add")
)
NAMES_OF_HEADERS = (
    *(one.replace(".tokyo", ".KEY").replace("services.KEY", "services.tokyo") for one in HEADERS),
    *(f"services.tokyo.routes.0.{side}_headers.remove.0" for side in ("request", "response")),
    *(f"services.tokyo.routes.0.cors.{one}_headers.0" for one in ("allow", "expose")),
)
IN_CONTAINERS_OF_A_REGION = "services.tokyo.regions.tokyo.env.tokyo"
NAMES_IN_CONTAINERS_OF_A_REGION = "services.tokyo.regions.tokyo.env.KEY"
IN_PODS = (
    *(IN_CONTAINERS, NAMES_IN_CONTAINERS, IN_CONTAINERS_OF_A_REGION, NAMES_IN_CONTAINERS_OF_A_REGION),
    *(VERSION_IN_CONTAINERS, PREFIX_IN_CONTAINERS, *WORDS_IN_CONTAINERS),
)
DATA = (*IN_PODS, FILE, *HEADERS, *NAMES_OF_HEADERS)

HARMLESS = re.compile(r"[A-Za-z0-9._/:@~*-]*")
"""Texts without a special meaning; other fields may accept these."""


def parse(field: TextField, text: str) -> Environment | ConfigError:
    written = yaml.safe_dump(field.with_text(text))  # with escapes, so that all characters reach the field
    try:
        return parse_environment(written, "test.yaml", {})
    except ConfigError as error:
        return error


def accepted(name: str) -> list[str]:
    found = [text for text in TEXTS if isinstance(parse(FIELDS[name], text), Environment)]
    assert len(found) >= 30
    return found


def test_there_are_many_texts_and_fields() -> None:
    assert len(set(TEXTS)) == len(TEXTS) >= 30
    assert {IN_CONTAINERS, FILE, "project.id", "regions.KEY", "services.tokyo.routes.0.path"} <= FIELDS.keys()
    environment_of(yaml.safe_dump(VALID))


@pytest.mark.parametrize("name", FIELDS)
def test_a_text_is_rejected_or_kept_unchanged(name: str) -> None:
    field = FIELDS[name]
    for text in TEXTS:
        result = parse(field, text)
        if isinstance(result, ConfigError):
            assert all(line.isprintable() for line in str(result).split("\n"))
            section = str(field.steps[0])
            assert any(problem.path.startswith(section) for problem in result.problems)
            continue
        assert text in field.text_of(result)
        assert HARMLESS.fullmatch(text) or name in DATA, (
            f"{name} accepts {text!r}: reject it, or prove below that it stays data"
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


# One $ before the brace is an expression; two or more are an escaped text.
EXPRESSION = re.compile(r"(?<!\$)\$\{(?=(.*))", re.S)
DIRECTIVE = re.compile(r"(?<!%)%\{")

KNOWN = re.compile(
    r"(sha256\(|base64decode\(|jsonencode\()*"
    r"(each\.(key|value)\b|self\.(triggers\b|name\b|release_channel\[0\])|terraform\.workspace\b|data\.(terraform_remote_state|google_project)\."
    r"|ephemeral\.google_service_account_access_token\.|null_resource\.|google_[a-z_]+\.|local\.kubeconfigs_"
    r'|\{"apiVersion" = "v1", "kind" = "Config", '
    r'|(alltrue\(\[for mode in |join\("", )distinct\(\[for one in try\(jsondecode\('
    r'file\("\$\{path\.module\}/[./]*terraform\.mesh\.tfstate"\)\)|path\.module\})'
)
"""The beginnings of the project's own expressions. The only file that they read is the mesh's local state."""


def assert_all_expressions_are_known(synthesis: Synthesis) -> None:
    count = 0
    for text in strings(synthesis.stacks):
        assert not DIRECTIVE.search(text), text
        for found in EXPRESSION.finditer(text):
            assert KNOWN.match(found[1]), text
            count += 1
    assert count > 10


def test_all_expressions_are_known(reference: Synthesis, three_regions: Synthesis) -> None:
    assert_all_expressions_are_known(reference)
    assert_all_expressions_are_known(three_regions)


def test_unknown_expressions_are_recognized() -> None:
    for text in ("${file(1)}", "x ${path.root}", "%${path.root}", "%{ if true }", "${sha256(file(1))}", "$%{x}"):
        found = EXPRESSION.search(text)
        assert (found is not None and not KNOWN.match(found[1])) or DIRECTIVE.search(text)
    for text in ("$${x}", "$$${x}", "%%{x}", "$", "{", "$ {x}"):
        assert not EXPRESSION.search(text)
        assert not DIRECTIVE.search(text)


def in_containers(folder: Path) -> tuple[Synthesis, dict[str, str]]:
    """Synthesize a service with every text as an environment variable, and as the name and the value of a header.

    Returns:
        The synthesis, and the texts by variable.
    """
    env = {f"T{number}": text for number, text in enumerate(accepted(IN_CONTAINERS))}
    env |= {text: f"N{number}" for number, text in enumerate(accepted(NAMES_IN_CONTAINERS))}
    words = [text for text in accepted(IN_CONTAINERS) if text]
    probes = {name: {"exec": words[index::3]} for index, name in enumerate(("liveness", "readiness", "startup"))}
    here = {f"R{number}": text for number, text in enumerate(accepted(IN_CONTAINERS_OF_A_REGION))}
    here |= {text: f"M{number}" for number, text in enumerate(accepted(NAMES_IN_CONTAINERS_OF_A_REGION))}
    names = header_names()
    route = {
        "path": "/checkout",
        "request_headers": {"remove": names},
        "response_headers": {"set": response_headers()},
        "cors": {"allow_origins": ["https://example.com"], "allow_headers": [*names], "expose_headers": [*names]},
    }
    commands = {"command": words[::2], "args": words[1::2]}
    sources = [{"secret": "keys", "prefix": text} for text in accepted(PREFIX_IN_CONTAINERS)[:50]]
    pods = {"image": "i", "port": 8080, "env": env, "env_from": sources, "probes": probes, **commands}
    services = {"checkout": {**pods, "routes": [route], "regions": {"tokyo": {"env": here}}}}
    environment = environment_of(yaml.safe_dump(VALID | {"services": services}))
    return synthesize(environment, folder), env | here


def header_names() -> list[str]:
    """Return every text that can be the name of a header."""
    found = [text for text in TEXTS if isinstance(parse(FIELDS[NAMES_OF_HEADERS[0]], text), Environment)]
    assert "$HOME" in found
    return list({text.lower(): text for text in found}.values())  # whose case does not count


def response_headers() -> dict[str, str]:
    """Return every text that can be the value of a header, by header, and every text that can be its name."""
    values = {f"T{number}": text for number, text in enumerate(accepted(HEADERS[0]))}
    return values | {name: "value" for name in header_names()}


def route_headers(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the headers that a route sets, after a look whether it removes and allows the same names."""
    route = manifest["spec"]["http"][0]
    names = header_names()
    assert route["headers"]["request"]["remove"] == names
    assert route["corsPolicy"]["allowHeaders"] == route["corsPolicy"]["exposeHeaders"] == names
    headers: dict[str, str] = route["headers"]["response"]["set"]
    return headers


def container_env(manifest: dict[str, Any]) -> dict[str, str]:
    """Return a container's environment, after a look whether its commands have the same texts."""
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    env = container_environment(container["env"])
    commands = [container[f"{probe}Probe"]["exec"]["command"] for probe in ("liveness", "readiness", "startup")]
    texts = {text for name, text in env.items() if name.startswith("T") and text}
    for words in ([*container["command"], *container["args"]], [word for one in commands for word in one]):
        assert {expand(word, env) for word in words} == texts
    assert [one["prefix"] for one in container["envFrom"]] == accepted(PREFIX_IN_CONTAINERS)[:50]
    return env


def test_texts_in_containers_are_no_expressions(tmp_path: Path) -> None:
    synthesis, env = in_containers(tmp_path)
    assert_all_expressions_are_known(synthesis)
    assert container_env(synthesis.object("tokyo", "Deployment", "checkout-v1")) == env
    assert route_headers(synthesis.object("tokyo", "VirtualService", "routes")) == response_headers()


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on this machine")
def test_terraform_reads_texts_in_containers_unchanged(tmp_path: Path) -> None:
    """The manifest that terraform passes to the provider."""
    synthesis, env = in_containers(tmp_path)
    manifests = {
        one["manifest"]["kind"]: one["manifest"]
        for one in synthesis.all("ingress", "kubernetes_manifest").values()
        if one["manifest"]["metadata"]["name"] in ("checkout-v1", "routes")
    }
    folder = tmp_path / "read"
    folder.mkdir()
    (folder / "main.tf.json").write_text(json.dumps({"output": {"manifests": {"value": manifests}}}), encoding="utf-8")
    run_terraform(folder, *APPLY)
    outputs = json.loads(run_terraform(folder, "output", "-json"))
    assert container_env(outputs["manifests"]["value"]["Deployment"]) == env
    assert route_headers(outputs["manifests"]["value"]["VirtualService"]) == response_headers()
    assert not list(tmp_path.rglob("ran"))


FILES = [text for text in accepted(FILE) if text and "/" not in text and text != "~root" and text.strip(".")]


@pytest.mark.parametrize("name", FILES if THOROUGH else FILES[::9], ids=repr)
def test_an_installer_with_any_file_name_works(name: str, tmp_path: Path) -> None:
    """The JSON contains the name, and the script copies the file."""
    sandbox = Sandbox(folder := made(tmp_path / "machine"))
    (folder / name).write_text((folder / "home" / "asmcli").read_text(encoding="utf-8"), encoding="utf-8")
    config = folder / "mesh.yaml"
    config.write_text(yaml.safe_dump(FIELDS[FILE].with_text(name)), encoding="utf-8")
    synthesis = synthesize(load(config, {}), tmp_path)
    assert_all_expressions_are_known(synthesis)
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
    run = sandbox.succeed("install-mesh.sh", **inputs)
    assert len(run.calls_of("asmcli")) == 1
    assert not list(tmp_path.rglob("ran"))


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


# --- in the scripts

ALL_SCRIPTS = sorted(path.name for path in SCRIPTS.glob("*.sh") if path.name != "lib.sh")
# An environment can't contain a NUL, and no input is empty.
SCRIPT_INPUTS = [text for text in (TEXTS if THOROUGH else GROUPS["shell"]) if text and "\0" not in text]


@pytest.mark.parametrize("text", SCRIPT_INPUTS, ids=repr)
def test_scripts_pass_texts_on_and_execute_none(text: str, tmp_path: Path) -> None:
    """The scripts are safe even with texts that the configuration rejects."""
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
def test_terraform_passes_texts_to_scripts_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the constructs, the real terraform and the null provider, on creation and on cleanup."""
    from constructs import script_folder  # noqa: PLC0415 (starts Node.js)
    from constructs.bindings import LocalBackend, NullProvider, TerraformStack, Testing  # noqa: PLC0415
    from constructs.local_script import CleanupScript, LocalScript, ScriptContext  # noqa: PLC0415

    folder = made(tmp_path / "scripts")
    for script, end in (("make.sh", "made"), ("clean.sh", "cleaned")):
        (folder / script).write_text(f'printf "%s" "$TEXT" >"$FOLDER/$NAME.{end}"\n', encoding="utf-8")
    (folder / "lib.sh").write_text("", encoding="utf-8")
    monkeypatch.setattr(script_folder, "SCRIPTS", folder)
    # terraform accepts only composed Unicode text; the configuration rejects other text.
    texts = {f"t{number}": text for number, text in enumerate(accepted(IN_CONTAINERS)) if text}
    instances = {key: {"text": text, "name": key, "folder": str(tmp_path)} for key, text in texts.items()}
    app = Testing.app(outdir=str(tmp_path / "out"), stub_version=True, fake_cdktf_json_path=True)
    stack = TerraformStack(app, "scripts")
    LocalBackend(stack, path="terraform.tfstate")  # cdktf's own default is in the working directory
    NullProvider(stack, "null")
    scripts = script_folder.ScriptFolder(stack, "folder")
    context = ScriptContext(project="p", endpoint="dns", account=None)
    CleanupScript(
        stack,
        "cleanup",
        scripts=scripts,
        script="clean.sh",
        context=context,
        inputs=("text", "name", "folder"),
        instances=instances,
    )
    LocalScript(stack, "script", scripts=scripts, script="make.sh", context=context, instances=instances)
    app.synth()
    work = initialized(tmp_path / "out" / "stacks" / "scripts")
    for command, end in (("apply", "made"), ("destroy", "cleaned")):
        run_terraform(work, command, "-auto-approve")
        got = {key: (tmp_path / f"{key}.{end}").read_bytes().decode() for key in texts}
        assert got == texts
    assert not list(tmp_path.rglob("ran"))
