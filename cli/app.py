"""The commands and their options; what each does is in a file of its name."""

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.errors import MeshError
from cli.report.output import INTERRUPTED, NOT_TRIED, Output
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
    Path | None,
    typer.Option("--config", metavar="FILE", help="The configuration; mesh.yaml, or what MESH_CONFIG names."),
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


class Question(StrEnum):
    """What `verify` asks."""

    SPLIT = "split"
    LOCALITY = "locality"
    INGRESS = "ingress"


class Fault(StrEnum):
    """What `drill` does to a region."""

    REMOVED = "removed"
    FAILING = "failing"
    BOTH = "both"


class PictureFormat(StrEnum):
    """What `picture` writes."""

    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"


@app.command(epilog="Example: mesh doctor && cdktf deploy network clusters mesh ingress")
def doctor(config: Config = None, as_json: Json = False, junit: Junit = None) -> None:
    """Look, before a deploy, whether it can succeed: tools, credentials, APIs, roles, quotas, networks, conflicts."""

    def work() -> int:
        from cli.doctor.command import examine  # noqa: PLC0415

        output = Output(as_json=as_json, junit=junit)
        file = config or config_path(ROOT)
        return output.finish(examine(load(file), file, output))

    run(work)


@app.command(epilog="Example: mesh status --junit status.xml")
def status(config: Config = None, kubeconfig: Kubeconfig = None, as_json: Json = False, junit: Junit = None) -> None:
    """Show how every cluster, the mesh and the ingress are, and where they are not as the configuration says."""

    def work() -> int:
        from cli.status.command import look  # noqa: PLC0415

        output = Output(as_json=as_json, junit=junit)
        file = config or config_path(ROOT)
        return output.finish(look(load(file), file, kubeconfig, output))

    run(work)


@app.command(epilog="Example: mesh verify locality --requests 1000 --plot answers.svg")
def verify(
    question: Annotated[Question, typer.Argument(help="Step A, B or C: who has to answer.")],
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
    config: Config = None,
    kubeconfig: Kubeconfig = None,
    as_json: Json = False,
    junit: Junit = None,
) -> None:
    """Send requests to the demo from inside each cluster, and count who answers.

    split: every version answers in every cluster, in even shares (the DestinationRule is off).
    locality: all answers are local. ingress: the public address answers each region from itself.
    """

    def work() -> int:
        from cli.traffic.verify import Wanted, ask  # noqa: PLC0415

        output = Output(as_json=as_json, junit=junit)
        wanted = Wanted(
            question=question.value,
            requests=requests,
            concurrency=concurrency,
            confidence=confidence,
            regions=tuple(region or ()),
            url=url,
            plot=plot,
        )
        return output.finish(ask(load(config or config_path(ROOT)), kubeconfig, wanted, output))

    run(work)


@app.command(epilog="Example: mesh drill osaka --fault failing")
def drill(
    region: Annotated[str, typer.Argument(help="The region whose demo goes down, by its key.")],
    fault: Annotated[Fault, typer.Option(help="Pods removed, or failing while they stay listed.")] = Fault.BOTH,
    rate: Annotated[int, typer.Option(min=1, max=100, help="Requests a second from each region.")] = 10,
    restore_seconds: Annotated[
        int, typer.Option(min=1, help="For so long it is tried to put things back, should that fail.")
    ] = 300,
    config: Config = None,
    kubeconfig: Kubeconfig = None,
    as_json: Json = False,
    junit: Junit = None,
) -> None:
    """Take the demo of one region down, watch its requests go elsewhere, put it back, and watch them come home.

    What was taken down is put back on every way out.
    """

    def work() -> int:
        from cli.traffic.drill import Wanted, run_drill  # noqa: PLC0415

        output = Output(as_json=as_json, junit=junit)
        wanted = Wanted(region, fault.value, rate, restore_seconds)
        return output.finish(run_drill(load(config or config_path(ROOT)), kubeconfig, wanted, output))

    run(work)


@app.command(epilog="Example: mesh picture --format svg --output mesh.svg")
def picture(
    format_: Annotated[
        PictureFormat, typer.Option("--format", help="svg needs graphviz (its program dot).")
    ] = PictureFormat.MERMAID,
    output_file: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Where to; standard output if absent.")
    ] = None,
    synthesized: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="What cdktf has synthesized, such as cdktf.out; made anew if absent."),
    ] = None,
    config: Config = None,
) -> None:
    """Draw what this configuration makes, from the synthesized JSON: who is where, trusts whom and reaches what."""

    def work() -> int:
        from cli.topology.command import draw  # noqa: PLC0415

        return draw(config or config_path(ROOT), synthesized, format_.value, output_file)

    run(work)


@app.command(epilog="Example: mesh audit --json > left-over.json")
def audit(config: Config = None, kubeconfig: Kubeconfig = None, as_json: Json = False, junit: Junit = None) -> None:
    """List what is in the project that is ours, or that the mesh and the ingress made, and should not be there.

    Each with the command that removes it. It removes nothing itself.
    """

    def work() -> int:
        from cli.audit.command import search  # noqa: PLC0415

        output = Output(as_json=as_json, junit=junit)
        file = config or config_path(ROOT)
        return output.finish(search(load(file), file, kubeconfig, output))

    run(work)


def run(work: Callable[[], int]) -> None:
    """Do a command's work and exit with its status: what the user can put right is told in two lines."""
    try:
        result = work()
    except ConfigError as error:
        print(error, file=sys.stderr)
        result = NOT_TRIED
    except MeshError as error:
        console = Console(stderr=True, highlight=False, markup=False)
        console.print(f"mesh: {error}", soft_wrap=True)
        if error.fix:
            console.print(f"      {error.fix}", style="cyan", soft_wrap=True)
        result = NOT_TRIED
    except KeyboardInterrupt as error:
        print("mesh: stopped", file=sys.stderr)
        # With the number of a signal other than Ctrl-C: `cli.traffic.rollback.stop_on_signals`.
        result = 128 + error.args[0] if error.args else INTERRUPTED
    raise typer.Exit(result)
