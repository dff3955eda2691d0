"""The Google Cloud APIs that the system calls."""

from collections.abc import Sequence

from constructs import Construct
from constructs.bindings import ITerraformDependable, ProjectService


class EnabledApis(Construct):
    """Enables every API that the system needs, and never disables one.

    Other users of the project may need an API too, so that destroying the stacks
    leaves them enabled.

    Attributes:
        all: the enabled services, as dependencies.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        project: str,
        names: Sequence[str],
        depends_on: Sequence[ITerraformDependable] = (),
    ) -> None:
        super().__init__(scope, id_)
        self.all: list[ITerraformDependable] = [
            ProjectService(
                self,
                name,
                project=project,
                service=f"{name}.googleapis.com",
                disable_on_destroy=False,
                depends_on=list(depends_on) or None,
            )
            for name in names
        ]
