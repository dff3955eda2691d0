"""The Google Cloud APIs that the system calls."""

from collections.abc import Sequence

from config.apis import APIS
from constructs import Construct
from constructs.bindings import ITerraformDependable, ProjectService


class EnabledApis(Construct):
    """Turns on every API that the system needs, and never turns one off.

    Another user of the project may need an API too, so taking this project away
    leaves them on.

    Attributes:
        all: the services, for what has to wait until they are on.
    """

    def __init__(
        self, scope: Construct, id_: str, *, project: str, depends_on: Sequence[ITerraformDependable] = ()
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
            for name in APIS
        ]
