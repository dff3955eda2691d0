"""`mesh init`: what it writes synthesizes, and it never writes a wrong file, nor over another one."""

import io
import itertools
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from cli.init.command import PROMPTS
from cli.init.document import PLACEHOLDERS, document, problems_of
from config import load
from config.control_plane import MODES
from config.paths import ROOT
from tests.cli.invocation import invoke
from tests.synthesized import synthesize

REGIONS = ("asia-northeast1", "europe-west1", "us-central1")
SHA256 = "0123456789abcdef" * 4
GOOD = ("--project", "my-project", "--region", "asia-northeast1", "--plain-http")


class Terminal(io.StringIO):
    """Standard input with somebody at it."""

    def isatty(self) -> bool:
        return True


def init(
    file: Path, *arguments: str, lines: list[str] | None = None, folder: Path = ROOT
) -> "subprocess.CompletedProcess[str]":
    """Run the command, at a terminal where these lines are typed, or without one."""
    with pytest.MonkeyPatch.context() as patch:
        typed = "".join(f"{line}\n" for line in lines or ())
        patch.setattr(sys, "stdin", io.StringIO() if lines is None else Terminal(typed))
        result = invoke(["init", "--output", str(file), *arguments], os.environ, folder)
    assert "Traceback" not in result.stderr
    assert not [one for one in file.parent.glob(".*") if one.name.startswith(f".{file.name}")], "a draft is left"
    return result


@pytest.mark.parametrize(
    ("mode", "ingress", "count"),
    [
        (mode, ingress, 1 + number % 3)
        for number, (mode, ingress) in enumerate(itertools.product(MODES, ("http", "https")))
    ],
)
def test_what_is_written_synthesizes(mode: str, ingress: str, count: int, tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    regions = [word for region in REGIONS[:count] for word in ("--region", region)]
    entry = ["--plain-http"] if ingress == "http" else ["--domain", "shop.example.com", "--domain", "a.example"]
    result = init(file, "--project", "my-project", *regions, "--control-plane", mode, *entry)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{os.path.relpath(file)} was written. " + (
        f"Next: mesh doctor --config {os.path.relpath(file)} && make synth CONFIG={os.path.relpath(file)}\n"
    )
    environment = load(file, {})
    assert (environment.mesh.control_plane, environment.ingress.scheme) == (mode, ingress)
    assert [region.region for region in environment.regions.values()] == list(REGIONS[:count])
    clusters = synthesize(environment, tmp_path).all("clusters", "google_container_cluster")
    assert len(clusters) == count


def test_the_file_reads_as_if_somebody_had_written_it(tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    arguments = (
        "--control-plane",
        "asmcli-managed",
        "--region",
        "osaka=asia-northeast2",
        "--authorized-network",
        "office=203.0.113.0/24",
    )
    assert init(file, *GOOD, *arguments, "--asmcli-sha256", SHA256).returncode == 0
    head, _, rest = file.read_text(encoding="utf-8").partition("\nproject:")
    assert head.splitlines()[0] == f"# yaml-language-server: $schema={ROOT / 'mesh.schema.json'}"
    assert (
        f"project:{rest}"
        == f"""\
project:
  id: my-project
  name_prefix: mesh

regions: # never change a key, and never reuse a number for another region
  asia-northeast1:
    region: asia-northeast1
    number: 0
  osaka:
    region: asia-northeast2
    number: 1

cluster:
  endpoint: public # admits these networks only
  authorized_networks:
    - name: office
      cidr: 203.0.113.0/24

mesh:
  control_plane: asmcli-managed # can't be changed later: docs/control-plane-modes.md
  asmcli:
    version: 1.31.3-asm.9+config1
    sha256: "{SHA256}"

ingress:
  config_cluster: asia-northeast1
  api: gateway # the one that Google recommends: docs/gateway.md
  plain_http: true # for HTTPS, replace this line: domains: [shop.example.com]
"""
    )


def test_the_schema_is_named_from_where_the_file_is() -> None:
    assert document({}).startswith("# yaml-language-server: $schema=mesh.schema.json\n")
    assert document({}, ROOT / "examples" / "a.yaml").startswith(
        "# yaml-language-server: $schema=../mesh.schema.json\n"
    )


@pytest.mark.parametrize(
    ("prefix", "regions", "keys"),
    [
        ("mesh", ["northamerica-northeast1", "us-central1"], ["northamerica-ne1", "us-c1"]),
        ("mesh", ["us-central1", "southamerica-west1"], ["us-central1", "southamerica-west1"]),
        ("a-longer-prefix", ["us-central1"], ["us-c1"]),
        ("null", ["on=us-central1", "0x1-a=us-east1"], None),
    ],
)
def test_keys_follow_from_the_regions_within_the_limits(
    prefix: str, regions: list[str], keys: list[str] | None, tmp_path: Path
) -> None:
    values = {"name_prefix": [prefix], "regions": regions}
    if keys is None:
        assert [problem.path for problem in problems_of(values)] == ["regions.0x1-a"]
        return
    file = tmp_path / "mesh.yaml"
    file.write_text(document(values), encoding="utf-8")
    assert list(load(file, {}).regions) == keys


def test_words_that_yaml_has_a_meaning_for_are_quoted(tmp_path: Path) -> None:
    assert init(tmp_path / "a.yaml", *GOOD, "--name-prefix", "null", "--region", "on=us-east1").returncode == 0
    environment = load(tmp_path / "a.yaml", {})
    assert environment.project.name_prefix == "null"
    assert list(environment.regions) == ["asia-northeast1", "on"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--project", "X"), "--project: project.id = 'X': must be a project id"),
        (("--project", ""), "--project: project.id = '': must be a project id"),
        (("--project", "a: {b"), "--project: project.id = 'a: {b': must be a project id"),
        (("--name-prefix", "A"), "--name-prefix: project.name_prefix = 'A': must be"),
        (("--region", "tokyo"), "--region: regions.tokyo.region = 'tokyo': must be a region such as"),
        (("--region", "us-east1-b"), "is a zone; clusters here are regional: write us-east1"),
        (("--region", "asia-northeast1"), "--region: regions.asia-northeast1"),
        (("--region", "a=us-east1", "--region", "b=us-east1"), "--region: regions.b.region"),
        (
            ("--control-plane", "fleeet"),
            "must be one of asmcli-in-cluster, asmcli-managed, fleet; did you mean 'fleet'?",
        ),
        (("--authorized-network", "0.0.0.0/0"), "--authorized-network: cluster.authorized_networks[0].cidr"),
        (("--authorized-network", "203.0.113.7"), "for the one address write 203.0.113.7/32"),
        (("--asmcli-sha256", "1234"), "--asmcli-sha256: mesh.asmcli.sha256 = '1234'"),
        (("--name-prefix", "a-long-name-prefix", "--region", "europe-west1"), "shorten project.name_prefix or"),
        (("--domain", "shop.example.com"), "--domain and --plain-http can't be combined"),
    ],
)
def test_a_wrong_flag_is_refused_in_two_lines(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    result = init(tmp_path / "a.yaml", *GOOD, *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.splitlines()[1:] == ["      mesh init --help"]
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_domain(tmp_path: Path) -> None:
    result = init(tmp_path / "a.yaml", *GOOD[:-1], "--domain", "*.example.com")
    assert "--domain: ingress.domains[0] = '*.example.com': must be a domain" in result.stderr


def test_without_a_terminal_every_missing_flag_is_named(tmp_path: Path) -> None:
    result = init(tmp_path / "a.yaml")
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        "mesh: standard input is not a terminal, and required options are missing: "
        "--project, --region, --domain or --plain-http",
        "      mesh init --help",
    ]
    only = init(tmp_path / "a.yaml", *GOOD[:-1])
    assert "missing: --domain or --plain-http\n" in only.stderr
    assert list(tmp_path.iterdir()) == []


def test_at_a_terminal_a_wrong_value_is_prompted_for_again(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    lines = [
        *("X", "my-project"),
        "",  # the default prefix
        *(" ", "tokyo", "asia-northeast1, europe-west1"),
        *("none", "asmcli-in-cluster"),
        *("12", SHA256),
        *("0.0.0.0/0", ""),
        *("shop", "shop.example.com a.example"),
    ]
    result = init(file, lines=lines)
    assert result.returncode == 0, result.stderr
    for said in (
        "project.id = 'X': must be a project id",
        "  regions: is missing\n",
        "regions.tokyo.region = 'tokyo': must be a region such as",
        "must be one of asmcli-in-cluster",
        "mesh.asmcli.sha256 = '12': must be 64",
        "is every address; name the networks",
        "ingress.domains[0] = 'shop': must be a domain",
    ):
        assert said in result.stderr
    environment = load(file, {})
    assert environment.project.name_prefix == "mesh"
    assert list(environment.regions) == ["asia-northeast1", "europe-west1"]
    assert environment.mesh.asmcli.sha256 == SHA256
    assert environment.cluster.endpoint == "dns"
    assert environment.ingress.domains == ("shop.example.com", "a.example")


def test_at_a_terminal_only_what_no_flag_gives_is_asked(tmp_path: Path) -> None:
    result = init(
        tmp_path / "a.yaml", *GOOD, "--name-prefix", "m", "--control-plane", "fleet", lines=["203.0.113.0/24"]
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith("Authorized networks of the GKE")
    environment = load(tmp_path / "a.yaml", {})
    assert environment.cluster.endpoint == "public"
    assert environment.cluster.authorized_networks[0].name == "network-1"


def test_an_end_in_the_middle_writes_nothing(tmp_path: Path) -> None:
    result = init(tmp_path / "a.yaml", lines=["my-project"])
    assert result.returncode == 130
    assert result.stderr.endswith("mesh: interrupted\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
def test_a_real_terminal(tmp_path: Path) -> None:
    control, terminal = pty.openpty()
    with open(control, "r+b", buffering=0) as keyboard:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "init", "--output", str(tmp_path / "a.yaml"), *GOOD],
            cwd=ROOT,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        keyboard.write(b"\n\n\n\n")  # prefix, mode, checksum, networks
        assert process.wait(60) == 0
        os.close(terminal)
    assert load(tmp_path / "a.yaml", {}).project.id == "my-project"


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_what_is_there_is_not_overwritten(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    match kind:
        case "file":
            file.write_text("mine", encoding="utf-8")
        case "folder":
            file.mkdir()
        case _:
            file.symlink_to(tmp_path / "elsewhere")
    before = os.lstat(file)
    result = init(file, *GOOD)
    assert result.returncode == 2
    assert result.stderr.splitlines()[0].endswith("mesh.yaml exists, and mesh init does not overwrite files")
    after = os.lstat(file)
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    with pytest.MonkeyPatch.context() as patch:
        real = os.link

        def late(source: Path, target: Path) -> None:
            target.write_text("somebody else's", encoding="utf-8")
            real(source, target)

        patch.setattr(os, "link", late)
        result = init(file, *GOOD)
    assert result.returncode == 2
    assert file.read_text(encoding="utf-8") == "somebody else's"


def test_the_default_is_the_file_that_is_configured(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO())
        variables = {**os.environ, "MESH_CONFIG": str(file)}
        result = invoke(["init", *GOOD], variables)
        assert (result.returncode, result.stdout) == (
            0,
            f"{os.path.relpath(file)} was written. Next: mesh doctor && make synth\n",
        )
        assert invoke(["init", *GOOD], variables).returncode == 2


def test_the_next_commands_work_where_they_are_run(tmp_path: Path) -> None:
    """`make` runs in the checkout, where a path relative to another folder leads elsewhere."""
    folder = tmp_path / "a b"
    folder.mkdir()
    result = init(folder / "mesh.yaml", *GOOD, folder=tmp_path)
    file = f"'{folder / 'mesh.yaml'}'"
    assert (
        result.stdout == f"a b/mesh.yaml was written. Next: mesh doctor --config {file} && make synth CONFIG={file}\n"
    )


def test_a_folder_that_can_t_be_written(tmp_path: Path) -> None:
    result = init(tmp_path / "none" / "mesh.yaml", *GOOD)
    assert result.returncode == 2
    assert result.stderr.splitlines()[1] == f"      mkdir -p {tmp_path / 'none'}"
    closed = init(Path("/proc/mesh.yaml"), *GOOD)  # closed to root, too
    assert closed.returncode == 2
    assert "can't write" in closed.stderr
    evaluated = init(tmp_path / "${a}.yaml", *GOOD)
    assert "has ${ or %{ in its path" in evaluated.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_prompt_has_a_placeholder_that_is_right() -> None:
    assert [one.field for one in PROMPTS if one.field not in PLACEHOLDERS] == []
    assert problems_of({}) == []
