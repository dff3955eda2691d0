"""The commands and their options; what each does is in a file of its name."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.errors import MeshError
from cli.output import NOT_TRIED
from config import ConfigError, Environment, config_path, load

ROOT = Path(__file__).parent.parent

app = typer.Typer(
    name="mesh",
    help="Whether the mesh of mesh.yaml works, before, after and while it runs.",
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


def environment_of(config: Path | None) -> Environment:
    """Raises: ConfigError."""
    return load(config or config_path(ROOT))


def run(work: Callable[[], int]) -> None:
    """Do a command's work and exit with its status: what the user can put right is told in two lines."""
    try:
        status = work()
    except ConfigError as error:
        print(error, file=sys.stderr)
        status = NOT_TRIED
    except MeshError as error:
        console = Console(stderr=True, highlight=False, markup=False)
        console.print(f"mesh: {error}", soft_wrap=True)
        if error.fix:
            console.print(f"      {error.fix}", style="cyan", soft_wrap=True)
        status = NOT_TRIED
    except KeyboardInterrupt:
        print("mesh: stopped", file=sys.stderr)
        status = 130
    raise typer.Exit(status)
