"""The `mesh` command line: its commands, their options, and how each ends."""

import json
import os
import sys
import time
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
from cli.traffic.options import DrillOptions, FaultKind, VerifyOptions, VerifyStep
from config import ConfigError, config_path, load
from config.control_plane import MODES
from config.paths import ROOT

EXIT_STATUSES = (
    "Exit status: 0 if there is no failure (warnings do not count); 1 if a check fails; 2 if the command could not "
    "start, for example because the configuration is invalid or credentials are missing; 130 after Ctrl-C."
)


def _epilog(example: str, exit_statuses: str = EXIT_STATUSES) -> str:
    return f"Example: {example}\n\n{exit_statuses}"


app = typer.Typer(
    name="mesh",
    help="Prepare, check and test the service mesh that mesh.yaml describes.",
    epilog=EXIT_STATUSES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

SECONDS_BETWEEN_REPORTS = 10.0
"""Of `mesh status --watch`."""

DEFAULT_CONFIG = "$MESH_CONFIG, or else mesh.yaml"
Config = Annotated[
    Path,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Read the configuration from FILE.",
        default_factory=lambda: config_path(ROOT),
        show_default=DEFAULT_CONFIG,
    ),
]
TargetService = Annotated[
    str | None,
    typer.Option(
        "--service",
        metavar="NAME",
        help="Send requests to this service.",
        show_default="helloworld if demo.enabled, or else the only service",
    ),
]
TargetPath = Annotated[
    str | None,
    typer.Option(
        "--path",
        metavar="PATH",
        help="Send requests to PATH, such as /healthz, or to the gRPC method /PACKAGE.SERVICE/METHOD.",
        show_default="the path of the service's first route, or else /; for gRPC, the method of the health check",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the report to standard output as JSON.")]
Junit = Annotated[
    Path | None, typer.Option("--junit", metavar="FILE", help="Also write the report to FILE as JUnit XML.")
]
Kubeconfig = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Connect to the clusters through the contexts in FILE. Each context is named after the region's key, or "
        "has the name that gcloud gives it.",
        show_default="the endpoints that the GKE API returns",
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


@app.command(
    epilog=_epilog(
        "mesh init --project my-project --region asia-northeast1 --region asia-northeast2 --domain shop.example.com",
        "Exit status: 0 if the file was written; 1 if it could not be written; 2 for a missing or wrong value, or if "
        "the file exists; 130 after Ctrl-C.",
    )
)
def init(
    project: Annotated[str | None, typer.Option(metavar="ID", help="Use this Google Cloud project.")] = None,
    name_prefix: Annotated[
        str | None, typer.Option(metavar="NAME", help="Begin the name of every cloud resource with NAME.")
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[KEY=]REGION",
            help="Add a Google Cloud region, named KEY; repeat for several. The first has the config cluster.",
        ),
    ] = None,
    control_plane: Annotated[
        str | None,
        typer.Option(metavar="MODE", help=f"Use this control plane mode: {', '.join(MODES)}."),
    ] = None,
    asmcli_sha256: Annotated[
        str | None,
        typer.Option(metavar="DIGITS", help="Pin asmcli to this SHA-256 checksum (modes asmcli-…)."),
    ] = None,
    authorized_network: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]RANGE",
            help="Give the GKE control planes a public address, and authorize this network there; repeat for several.",
        ),
    ] = None,
    domain: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Serve this domain over HTTPS; repeat for several.")
    ] = None,
    plain_http: Annotated[bool, typer.Option("--plain-http", help="Serve plain HTTP, without a domain.")] = False,
    output_file: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Write to FILE.", show_default=DEFAULT_CONFIG),
    ] = None,
) -> int:
    """Write the configuration file of a new environment.

    Run it once for each environment, before the first deploy. On a terminal, it prompts for each value that no option
    gives; without a terminal, --project, --region, and --domain or --plain-http are required. It never overwrites a
    file.
    """
    from cli.init.command import write_configuration  # noqa: PLC0415

    if domain and plain_http:
        raise MeshError("--domain and --plain-http can't be combined; leave one out", "mesh init --help")
    given = {
        "project": project,
        "name_prefix": name_prefix,
        "regions": region,
        "control_plane": control_plane,
        "asmcli_sha256": asmcli_sha256,
        "authorized_networks": authorized_network,
        "domains": [] if plain_http else domain,
    }
    values = {field: [one] if isinstance(one, str) else one for field, one in given.items() if one is not None}
    return write_configuration(output_file or config_path(ROOT), values)


@app.command(epilog=_epilog("mesh doctor && cdktf deploy network clusters mesh ingress"))
def doctor(config: Config, as_json: Json = False, junit: Junit = None) -> int:
    """Check whether a deploy can succeed: tools, credentials, APIs, IAM roles, quotas, connectivity, conflicts.

    Run it before the first deploy, and again on another machine, with another account or with another configuration.
    It changes nothing.
    """
    from cli.doctor.command import examine  # noqa: PLC0415

    output = Output(as_json=as_json, junit=junit)
    return output.finish(examine(load(config), config, output))


@app.command(epilog=_epilog("mesh status --region osaka --watch"))
def status(
    config: Config,
    region: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="Report this region only; repeat for several.")
    ] = None,
    service: Annotated[str | None, typer.Option(metavar="NAME", help="Report this service only.")] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Print passed checks too.")] = False,
    only_failures: Annotated[bool, typer.Option("--only-failures", help="Report failures only.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Repeat the checks every 10 seconds, until Ctrl-C.")] = False,
    kubeconfig: Kubeconfig = None,
    as_json: Json = False,
    junit: Junit = None,
    prometheus: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the report to FILE, in Prometheus text format."),
    ] = None,
) -> int:
    """Compare the clusters, the mesh and the ingress with the configuration.

    Run it after a deploy, and as the first step when a deploy or requests fail: each failure names the command that
    corrects it. It compares every object that the stacks apply with the one in the cluster, and reports objects that
    are in effect although no stack applies them. With --kubeconfig, it works without Google credentials: it then checks
    the clusters only, and reports what it did not check. It changes nothing.
    """
    if kubeconfig is not None:
        # Clusters are enough, so don't wait long for a metadata server; google.auth reads these when it is imported.
        os.environ.update({"GCE_METADATA_DETECT_RETRIES": "1", "GCE_METADATA_TIMEOUT": "1"})
    from cli.status.command import run_status  # noqa: PLC0415
    from cli.status.options import StatusOptions  # noqa: PLC0415

    if watch and (as_json or junit or prometheus):
        raise MeshError("--watch prints text only", "leave out --json, --junit and --prometheus, or --watch")
    output = Output(as_json=as_json, junit=junit, prometheus=prometheus, only_problems=not show_all)
    options = StatusOptions(tuple(region or ()), service or "", only_failures)
    while True:
        environment = load(config)
        options.check(environment)
        report = options.select(run_status(environment, config, kubeconfig, output))
        if not watch:
            return output.finish(report)
        output.console.clear()
        output.finish(report)
        time.sleep(SECONDS_BETWEEN_REPORTS)


@app.command(epilog=_epilog("mesh explain checkout --from osaka"))
def explain(
    service: Annotated[
        str, typer.Argument(metavar="SERVICE", help="Follow requests to this service: its name, or NAMESPACE/NAME.")
    ],
    config: Config,
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="REGION|CLIENT",
            help="Follow requests from this region, or from this client: NAMESPACE/NAME, with the name of a pod, of a "
            "service account, or of the label `app`; repeat for several.",
            show_default="a client and a gateway in every region",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER",
            min=1,
            max=65535,
            help="Follow requests to this port of the Service.",
            show_default="the main port of the service",
        ),
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Follow requests for this path.",
            show_default="the first path of the service's routes, or else /",
        ),
    ] = None,
    kubeconfig: Kubeconfig = None,
    as_json: Json = False,
    junit: Junit = None,
) -> int:
    """Follow a request to a service, hop by hop, and name the first cause of a failure on its path.

    Run it when requests get a 403, 404 or 503, or time out. It reads the running configuration of the client's and the
    server's proxies: listener, route, endpoints with their health and priority, TLS mode and authorization. It sends no
    request and changes nothing.
    """
    from cli.explain.command import run_explain  # noqa: PLC0415
    from cli.explain.options import ExplainOptions  # noqa: PLC0415

    output = Output(as_json=as_json, junit=junit)
    options = ExplainOptions(service, tuple(source or ()), port, path)
    return output.finish(run_explain(load(config), kubeconfig, options, output))


@app.command(epilog=_epilog("mesh verify locality --requests 1000 --plot responses.svg"))
def verify(
    step: Annotated[VerifyStep, typer.Argument(metavar="STEP", help="Check split, locality or ingress.")],
    config: Config,
    requests: Annotated[
        int, typer.Option("--requests", "-n", metavar="NUMBER", min=10, help="Send NUMBER requests from each region.")
    ] = 200,
    concurrency: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, max=100, help="Send NUMBER requests in parallel from each region.")
    ] = 10,
    confidence: Annotated[
        float,
        typer.Option(
            metavar="LEVEL", min=0.5, max=0.9999, help="Use this confidence level for the test of even shares."
        ),
    ] = 0.99,
    region: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Send requests from this region only; repeat for several."),
    ] = None,
    service: TargetService = None,
    path: TargetPath = None,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Send requests to URL (step ingress only).",
            show_default="the first domain, or else the address of each load balancer",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Plot the responses to FILE, which ends in .png or .svg.")
    ] = None,
    kubeconfig: Kubeconfig = None,
    as_json: Json = False,
    junit: Junit = None,
) -> int:
    """Send requests to a service from each cluster, and check which region responds.

    Run it after a deploy. STEP is what to check: with split (A), without the DestinationRule (failover: false), all
    regions respond to each cluster, in even shares; with locality (B), every response comes from the cluster's own
    region; with ingress (C), each load balancer routes each region's requests to that region. A Job in each cluster
    sends the requests, and is deleted at the end. The proxies' counters tell which region responded. The service must
    use HTTP or gRPC.
    """
    from cli.traffic.verify import run_verify  # noqa: PLC0415

    output = Output(as_json=as_json, junit=junit)
    options = VerifyOptions(step, requests, concurrency, confidence, tuple(region or ()), service, path, url, plot)
    return output.finish(run_verify(load(config), kubeconfig, options, output))


@app.command(epilog=_epilog("mesh drill osaka --service checkout --fault failing --plot drill.svg"))
def drill(
    region: Annotated[str, typer.Argument(metavar="REGION", help="Make the service fail in this region (its key).")],
    config: Config,
    service: TargetService = None,
    path: TargetPath = None,
    fault: Annotated[
        FaultKind | None,
        typer.Option(
            help="Inject this fault: removed (no endpoints), failing (returns 503), or both in turn.",
            show_default="each fault that works for the service in the control plane mode",
        ),
    ] = None,
    rate: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, max=100, help="Send NUMBER requests per second from each region.")
    ] = 10,
    stop_after: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=1,
            help="Stop and roll the fault back when all requests of a region have failed for SECONDS.",
        ),
    ] = 5,
    restore_seconds: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, help="If the rollback fails, retry it for SECONDS.")
    ] = 300,
    yes: Annotated[
        bool, typer.Option("--yes", help="Make a service other than the demo fail without a prompt.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Plot the responses to FILE, which ends in .png or .svg.")
    ] = None,
    kubeconfig: Kubeconfig = None,
    as_json: Json = False,
    junit: Junit = None,
) -> int:
    """Make a service fail in one region, and measure failover and failback.

    Run it before users depend on failover, and after changing the failover settings. It refuses to start unless every
    region serves its own requests and the proxies of the region have healthy endpoints in every other region. It takes
    up to eight minutes for each fault. The fault is always rolled back, even after Ctrl-C or kill -9, and as soon as
    all requests of a region fail.
    """
    from cli.traffic.drill import run_drill  # noqa: PLC0415

    output = Output(as_json=as_json, junit=junit)
    options = DrillOptions(region, service, path, fault, rate, stop_after, restore_seconds, yes, plot)
    return output.finish(run_drill(load(config), kubeconfig, options, output))


DRAIN_STATUSES = (
    "Exit status: 0 if the region is drained (drain) or serves again (undrain); 1 if it is not by the timeout, or a "
    "change was not applied; 2 if nothing was changed; 130 after Ctrl-C."
)


@app.command(epilog=_epilog("mesh drain osaka && mesh status --region osaka", DRAIN_STATUSES))
def drain(
    region: Annotated[str, typer.Argument(metavar="REGION", help="Drain this region (its key).")],
    config: Config,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Wait up to SECONDS until no request reaches the region.")
    ] = 600,
    yes: Annotated[bool, typer.Option("--yes", help="Change the file and the clusters without a prompt.")] = False,
    kubeconfig: Kubeconfig = None,
    as_json: Json = False,
    junit: Junit = None,
) -> int:
    """Take a region out of service: other regions serve its requests, and its pods stay ready.

    Run it before maintenance of a region. It refuses to start unless every service that the region serves has ready
    endpoints in another region, and the proxies of its callers know one. It sets `drained: true` for the region in the
    configuration file, applies this change only, and waits until no request reaches the region. `mesh undrain` puts
    the region back.
    """
    return _drain(region, config, timeout, yes, kubeconfig, Output(as_json=as_json, junit=junit), drained=True)


@app.command(epilog=_epilog("mesh undrain osaka && mesh verify locality", DRAIN_STATUSES))
def undrain(
    region: Annotated[str, typer.Argument(metavar="REGION", help="Put this region (its key) back into service.")],
    config: Config,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Wait up to SECONDS until the region serves again.")
    ] = 600,
    yes: Annotated[bool, typer.Option("--yes", help="Change the file and the clusters without a prompt.")] = False,
    kubeconfig: Kubeconfig = None,
    as_json: Json = False,
    junit: Junit = None,
) -> int:
    """Put a drained region back into service.

    Run it after maintenance of a region. It removes `drained` from the configuration file, applies this change only,
    and waits until the proxies of all regions know the region's endpoints.
    """
    return _drain(region, config, timeout, yes, kubeconfig, Output(as_json=as_json, junit=junit), drained=False)


def _drain(
    region: str, config: Path, timeout: float, yes: bool, kubeconfig: Path | None, output: Output, *, drained: bool
) -> int:
    from cli.drain.command import run_drain  # noqa: PLC0415
    from cli.drain.options import DrainOptions  # noqa: PLC0415

    options = DrainOptions(region, drained, yes, timeout)
    return output.finish(run_drain(load(config), config, kubeconfig, options, output))


@app.command(
    epilog=_epilog(
        "mesh picture --format svg --output mesh.svg",
        "Exit status: 0 if the diagram was written; 1 if it could not be written; 2 for a wrong configuration or a "
        "missing program.",
    )
)
def picture(
    config: Config,
    format_: Annotated[
        PictureFormat, typer.Option("--format", help="Write a Mermaid flowchart, or an image.")
    ] = PictureFormat.MERMAID,
    output_file: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write to FILE.", show_default="standard output")
    ] = None,
    synthesized: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Read the synthesized JSON in FOLDER, such as cdktf.out.",
            show_default="a new synthesis",
        ),
    ] = None,
) -> int:
    """Draw the topology of the environment from its synthesized JSON.

    Run it to review a configuration before a deploy, or to document an environment: regions, clusters, services,
    load balancing, failover and endpoint discovery.
    """
    from cli.topology.command import draw  # noqa: PLC0415

    return draw(config, synthesized, format_.value, output_file)


@app.command(epilog=_epilog("mesh audit --json > orphaned.json"))
def audit(config: Config, kubeconfig: Kubeconfig = None, as_json: Json = False, junit: Junit = None) -> int:
    """List orphaned resources of the environment, each with the command that deletes it.

    Run it after a destroy, after a region is removed, and after an interrupted deploy. It covers what the stacks, the
    mesh and the load balancer create in the project and in the clusters, and what killed commands leave behind: there,
    on this machine, and as state locks. It deletes nothing.
    """
    from cli.audit.command import search  # noqa: PLC0415

    output = Output(as_json=as_json, junit=junit)
    return output.finish(search(load(config), config, kubeconfig, output))


@app.command(epilog=_epilog("mesh repair && cdktf deploy network clusters mesh ingress"))
def repair(
    config: Config,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Repair without a prompt.")] = False,
    kubeconfig: Kubeconfig = None,
    as_json: Json = False,
    junit: Junit = None,
) -> int:
    """Repair terraform's states after an interrupted deploy, so that the next one succeeds.

    Run it when a deploy or a destroy was interrupted, and fails when it is repeated. It imports resources that exist
    but are missing from the state, untaints resources that are complete, and marks unfinished scripts to run again. It
    restores local states that terraform was writing when it was killed, and releases state locks of terraform
    processes that ran on this machine and have ended. It deletes Kubernetes objects of earlier deploys that the
    configuration no longer has. It imports or deletes only what is proved to belong to this environment, and lists
    anything else with the commands. It prompts first.
    """
    from cli.repair.command import run_repair  # noqa: PLC0415

    output = Output(as_json=as_json, junit=junit)
    return output.finish(run_repair(load(config), config, kubeconfig, output, dry_run=dry_run, yes=yes))


def main(arguments: Sequence[str]) -> int:
    """Run a command, and report what prevented it: on standard error, and with ``--json`` as JSON too.

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
                print(f"mesh: can't write the output: {why}", file=sys.stderr)
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
        message = error.format_message().replace("Value error, ", "")  # of pydantic, which checks the values
        return _refused(arguments, message, f"{where.command_path if where else 'mesh'} --help")
    except (KeyboardInterrupt, typer.Abort) as error:
        print("mesh: interrupted", file=sys.stderr)
        # With the number of a signal other than Ctrl-C: `cli.signals`.
        status = 128 + error.args[0] if error.args else INTERRUPTED
        return _stopped(arguments, status, "interrupted", "run the command again")
    except OSError as error:
        if isinstance(error, FileNotFoundError) and error.filename is None:  # as os.getcwd has it
            return _refused(arguments, "the working directory does not exist any more", "cd to an existing directory")
        if error.errno and error.filename is None:  # of the output itself
            raise
        message = f"{error.filename}: {error.strerror}" if error.errno else str(error)
        return _refused(
            arguments,
            message,
            "check that the file's folder exists and that you may write to it, then run the command again",
            FAILED,
        )
    except Exception as error:
        _stopped(
            arguments,
            FAILED,
            f"{type(error).__name__}: {error}",
            "this is a bug in mesh: report it, with the traceback on standard error",
        )
        raise


def _refused(arguments: Sequence[str], message: str, fix: str, status: int = NOT_TRIED) -> int:
    """Print what the user has to correct first, and return the status."""
    console = Console(stderr=True, highlight=False, markup=False)
    console.print(f"mesh: {message}", soft_wrap=True)
    if fix:
        console.print(f"      {fix}", style="cyan", soft_wrap=True)
    return _stopped(arguments, status, message, fix)


def _stopped(arguments: Sequence[str], status: int, message: str, fix: str, *sections: Section) -> int:
    """Print what prevented a command, if JSON is requested, and return the status."""
    if "--json" in arguments:
        command = next((one for one in arguments if not one.startswith("-")), "")
        error = {"message": message, "fix": fix}
        print(json.dumps({**as_data(Report(command, list(sections))), "error": error}, indent=2))
    return status
