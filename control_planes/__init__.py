"""The ways to a mesh, a file a way: what each can and can't do, and what it makes.

A file here *is* a way: ``asmcli_managed.py`` is what ``mesh.control_plane:
asmcli-managed`` means. The rest of the project knows `ControlPlane` and none of them.

What a way can is known without cdktf, so that a wrong configuration is refused at
once; what it makes is imported when it is made.
"""

from importlib import import_module
from pkgutil import iter_modules

from control_planes.contract import Conflict, ControlPlane, MeshParts

__all__ = ["Conflict", "ControlPlane", "MeshParts", "control_plane", "names"]

_CONTRACT = "contract"


def names() -> tuple[str, ...]:
    """Return the ways that there are, as the configuration says them."""
    return tuple(sorted(one.name.replace("_", "-") for one in iter_modules(__path__) if one.name != _CONTRACT))


def control_plane(name: str) -> ControlPlane:
    """Return a way by its name.

    Raises:
        ModuleNotFoundError: there is no such way.
    """
    way: ControlPlane = import_module(f"{__name__}.{name.replace('-', '_')}").WAY
    return way
