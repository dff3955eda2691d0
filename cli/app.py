"""The `mesh` command line: its commands, their options, and how each ends."""

import json
import os
import sys
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer.exceptions import TyperException

from cli.errors import MeshError
from cli.report.findings import Report, Section, failure
from cli.report.output import FAILED, INTERRUPTED, NOT_TRIED, Output, as_data
from cli.traffic.options import DrillOptions, FaultKind, Question, VerifyOptions
from config import ConfigError, config_path, load
from config.paths import ROOT

app = typer.Typer(
    name="mesh",
    help="Whether the mesh of mesh.yaml works, before, after and while it runs.",
    epilog="Exit status: 0 if all that was asked holds, 1 if something does not, 2 if it could not be found out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Config = Annotated[
    Path,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The configuration; mesh.yaml, or what MESH_CONFIG names.",
        default_factory=lambda: config_path(ROOT),
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]
Junit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML too.")]
Kubeconfig = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Your own kubeconfig, with a context a region: its key, or gcloud's name. Without it Google is asked.",
    ),
]


class PictureFormat(StrEnum):
    """What `picture` writes."""

    MERMAID = "mermaid"
    SVG = "svg"
    PNG = "png"


def _print_version(wanted: bool) -> None:
    if wanted:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        print(f"mesh {project['version']}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(epilog="Example: mesh init --project my-project --region asia-northeast1 --domain shop.example.com")
def init(
    project: Annotated[str | None, typer.Option(metavar="ID", help="The Google Cloud project.")] = None,
    name_prefix: Annotated[
        str | None, typer.Option(metavar="NAME", help="The first part of the name of everything that is created.")
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(metavar="[KEY=]REGION", help="A Google Cloud region; several times for several."),
    ] = None,
    control_plane: Annotated[str | None, typer.Option(metavar="MODE", help="docs/control-plane-modes.md.")] = None,
    asmcli_sha256: Annotated[
        str | None, typer.Option(metavar="DIGITS", help="Checksum of asmcli; README, step 3.")
    ] = None,
    authorized_network: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]RANGE",
            help="A network that reaches public addresses of the GKE control planes; without any they have none.",
        ),
    ] = None,
    domain: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A domain, served by HTTPS.")] = None,
    plain_http: Annotated[bool, typer.Option("--plain-http", help="Serve plain HTTP, as there is no domain.")] = False,
    output_file: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="The file; mesh.yaml, or what MESH_CONFIG names, if absent."),
    ] = None,
) -> int:
    """Write the configuration file of a new project, and ask for what no option gives.

    An existing file is not overwritten. Without a terminal all has to be given.
    """
    from cli.init.command import write_configuration  # noqa: PLC0415

    if domain and plain_http:
        raise MeshError("--domain and --plain-http exclude each other", "mesh init --help")
    given = {
        "project": project,
        "name_prefix": name_prefix,
        "regions": region,
        "control_plane": control_plane,
        "asmcli_sha256": asmcli_sha256,
        "authorized_networks": authorized_network,
        "domains": [] if plain_http else domain,
    }
    answers = {field: [one] if isinstance(one, str) else one for field, one in given.items() if one is not None}
    return write_configuration(output_file or config_path(ROOT), answers)


@app.command(epilog="Example: mesh doctor && cdktf deploy network clusters mesh ingress")
def doctor(config: Config, as_json: Json = False, junit: Junit = None) -> int:
    """Look, before a deploy, whether it can succeed: tools, credentials, APIs, roles, quotas, networks, conflicts."""
    from cli.doctor.command import examine  # noqa: PLC0415

    output = Output(as_json=as_json, junit=junit)
    return output.finish(examine(load(config), config, output))


@app.command(epilog="Example: mesh status --junit status.xml")
def status(config: Config, kubeconfig: Kubeconfig = None, as_json: Json = False, junit: Junit = None) -> int:
    """Show how every cluster, the mesh and the ingress are, and where they are not as the configuration says."""
    from cli.status.command import run_status  # noqa: PLC0415

    output = Output(as_json=as_json, junit=junit)
    return output.finish(run_status(load(config), config, kubeconfig, output))


@app.command(epilog="Example: mesh verify locality --requests 1000 --plot answers.svg")
def verify(
    question: Annotated[Question, typer.Argument(help="Step A, B or C: who has to answer.")],
    config: Config,
    requests: Annotated[int, typer.Option("--requests", "-n", min=10, help="Requests from each region.")] = 200,
    concurrency: Annotated[int, typer.Option(min=1, max=100, help="Requests at a time from each region.")] = 10,
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.9999, help="Of the test for even shares, and of the intervals.")
    ] = 0.99,
    region: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="Ask from this region only; several times for several.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="For ingress: ask this, and not the address that MCI reports.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the answers: FILE.png or FILE.svg.")] = None,
    kubeconfig: Kubeconfig = None,
    as_json: Json = False,
    junit: Junit = None,
) -> int:
    """Send requests to the demo from inside each cluster, and count who answers.

    split: every version answers in every cluster, in even shares (the DestinationRule is off).
    locality: all answers are local. ingress: the public address answers each region from itself.
    """
    from cli.traffic.verify import run_verify  # noqa: PLC0415

    output = Output(as_json=as_json, junit=junit)
    options = VerifyOptions(question, requests, concurrency, confidence, tuple(region or ()), url, plot)
    return output.finish(run_verify(load(config), kubeconfig, options, output))


@app.command(epilog="Example: mesh drill osaka --fault failing")
def drill(
    region: Annotated[str, typer.Argument(help="The region whose demo goes down, by its key.")],
    config: Config,
    fault: Annotated[FaultKind, typer.Option(help="Pods removed, or failing while they stay listed.")] = FaultKind.BOTH,
    rate: Annotated[int, typer.Option(min=1, max=100, help="Requests a second from each region.")] = 10,
    restore_seconds: Annotated[
        int, typer.Option(min=1, help="For so long it is tried to put things back, should that fail.")
    ] = 300,
    kubeconfig: Kubeconfig = None,
    as_json: Json = False,
    junit: Junit = None,
) -> int:
    """Take the demo of one region down, watch its requests go elsewhere, put it back, and watch them come home.

    What was taken down is put back on every way out.
    """
    from cli.traffic.drill import run_drill  # noqa: PLC0415

    output = Output(as_json=as_json, junit=junit)
    options = DrillOptions(region, fault, rate, restore_seconds)
    return output.finish(run_drill(load(config), kubeconfig, options, output))


@app.command(epilog="Example: mesh picture --format svg --output mesh.svg")
def picture(
    config: Config,
    format_: Annotated[
        PictureFormat, typer.Option("--format", help="The text of a Mermaid flowchart, or an image.")
    ] = PictureFormat.MERMAID,
    output_file: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Where to; standard output if absent.")
    ] = None,
    synthesized: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Draw what is synthesized in this folder, such as cdktf.out."),
    ] = None,
) -> int:
    """Draw the topology from the synthesized JSON: regions, clusters, requests, failover and endpoint discovery."""
    from cli.topology.command import draw  # noqa: PLC0415

    return draw(config, synthesized, format_.value, output_file)


@app.command(epilog="Example: mesh audit --json > left-over.json")
def audit(config: Config, kubeconfig: Kubeconfig = None, as_json: Json = False, junit: Junit = None) -> int:
    """List what is in the project that is ours, or that the mesh and the ingress made, and should not be there.

    Each with the command that removes it. It removes nothing itself.
    """
    from cli.audit.command import search  # noqa: PLC0415

    output = Output(as_json=as_json, junit=junit)
    return output.finish(search(load(config), config, kubeconfig, output))


def main(arguments: Sequence[str]) -> int:
    """Run a command, and report what kept it from its work: on standard error, and with ``--json`` as JSON too.

    Args:
        arguments: Of the command line.

    Returns:
        The exit status.
    """
    try:
        status = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except (OSError, UnicodeEncodeError) as error:
        if not isinstance(error, BrokenPipeError):  # as of `mesh picture | head`
            with suppress(OSError):
                why = getattr(error, "strerror", None) or error
                print(f"mesh: the output can't be written: {why}", file=sys.stderr)
        with suppress(OSError, ValueError):  # what is still buffered would fail again when the interpreter ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _run(arguments: Sequence[str]) -> int:
    try:
        with typer.main.get_command(app).make_context("mesh", list(arguments)) as context:
            status: int = context.command.invoke(context)
        return status
    except typer.Exit as error:
        return error.exit_code
    except ConfigError as error:
        print(error, file=sys.stderr)
        section = Section(error.source)
        for problem in error.problems:
            section.findings.append(failure(problem.path or error.source, str(problem), f"edit {error.source}"))
        return _stopped(arguments, NOT_TRIED, str(error), f"edit {error.source}", section)
    except MeshError as error:
        return _refused(arguments, str(error), error.fix)
    except TyperException as error:
        if not arguments:  # the help is what there is to see
            return NOT_TRIED
        where = getattr(error, "ctx", None)
        return _refused(arguments, error.format_message(), f"{where.command_path if where else 'mesh'} --help")
    except (KeyboardInterrupt, typer.Abort) as error:
        print("mesh: stopped", file=sys.stderr)
        # With the number of a signal other than Ctrl-C: `cli.traffic.rollback.stop_on_signals`.
        status = 128 + error.args[0] if error.args else INTERRUPTED
        return _stopped(arguments, status, "stopped", "run it again")
    except OSError as error:
        if isinstance(error, FileNotFoundError) and error.filename is None:  # as os.getcwd has it
            return _refused(arguments, "the working directory is gone", "cd to a folder that is there")
        if error.errno and error.filename is None:  # of the output itself
            raise
        message = f"{error.filename}: {error.strerror}" if error.errno else str(error)
        return _refused(arguments, message, "see that it is there and yours to use, and try again", FAILED)
    except Exception as error:
        _stopped(arguments, FAILED, f"{type(error).__name__}: {error}", "report this, with what is on standard error")
        raise


def _refused(arguments: Sequence[str], message: str, fix: str, status: int = NOT_TRIED) -> int:
    """Print what the user has to put right first, and return the status."""
    console = Console(stderr=True, highlight=False, markup=False)
    console.print(f"mesh: {message}", soft_wrap=True)
    if fix:
        console.print(f"      {fix}", style="cyan", soft_wrap=True)
    return _stopped(arguments, status, message, fix)


def _stopped(arguments: Sequence[str], status: int, message: str, fix: str, *sections: Section) -> int:
    """Print what kept a command from its work, if JSON is wanted, and return the status."""
    if "--json" in arguments:
        command = next((one for one in arguments if not one.startswith("-")), "")
        error = {"message": message, "fix": fix}
        print(json.dumps({**as_data(Report(command, list(sections))), "error": error}, indent=2))
    return status
