"""Scripts as resources: one runs on create, the other on destroy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from config.terraform_text import Expression, escape
from constructs import Construct
from constructs.bindings import (
    ITerraformDependable,
    LocalExecProvisioner,
    NullResource,
    Precondition,
    TerraformIterator,
    TerraformResourceLifecycle,
)
from constructs.script_folder import INTERPRETER, ScriptFolder


@dataclass(frozen=True)
class ScriptContext:
    """How scripts reach clusters, as opposed to what they do there.

    None of it is a trigger: a change of the access path is no reason to reinstall a
    mesh, still less to remove it.

    Attributes:
        project: the project of the clusters and of the fleet.
        endpoint: ``public``, ``private`` or ``dns``.
        account: service account to impersonate; None for the caller's own credentials.
    """

    project: str
    endpoint: str
    account: str | None

    def environment(self) -> dict[str, str]:
        """Return the environment variables that every script gets."""
        return {"PROJECT": self.project, "ENDPOINT": self.endpoint, "ACCOUNT": self.account or ""}


Instances = Mapping[str, Mapping[str, str]]
"""Inputs of a script by instance key: lower-case names, which reach it in upper case."""


class LocalScript(Construct):
    """Runs a script for each instance, and again only when an input or the script itself changes.

    Attributes:
        done: dependency of everything that has to wait for the script.
        address: the resource's address, for ``-replace``.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        scripts: ScriptFolder,
        script: str,
        context: ScriptContext,
        instances: Instances,
        access: Instances | None = None,
        depends_on: Sequence[ITerraformDependable] = (),
        preconditions: Sequence[Precondition] = (),
    ) -> None:
        """Add the resource.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            scripts: the stack's copy of the scripts.
            script: file name in ``scripts/``.
            context: how scripts reach the clusters.
            instances: inputs by instance key; a change of one runs the script again for that instance.
            access: inputs by instance key that say how to reach clusters. Like all of `ScriptContext`, none is a
                trigger.
            depends_on: what has to be applied before.
            preconditions: conditions that the plan checks for each instance.
        """
        super().__init__(scope, id_)
        more = access or {}
        iterator = TerraformIterator.from_map(
            escape({key: {**inputs, **more.get(key, {})} for key, inputs in instances.items()})
        )
        inputs, untriggered = (
            {name: iterator.get_string(name) for name in _input_names(given)} for given in (instances, more)
        )
        resource = NullResource(
            self,
            "Default",
            for_each=iterator,
            triggers={**inputs, "script": ScriptFolder.digest(script)},
            provisioners=[
                LocalExecProvisioner(
                    type="local-exec",
                    interpreter=list(INTERPRETER),
                    command=scripts.command(script),
                    environment=context.environment()
                    | {name.upper(): value for name, value in {**inputs, **untriggered}.items()}
                    | {"INPUTS": "${sha256(jsonencode(self.triggers))}"},
                )
            ],
            lifecycle=TerraformResourceLifecycle(precondition=list(preconditions)) if preconditions else None,
            depends_on=list(depends_on),
        )
        self.done: ITerraformDependable = resource
        self.address = f"{resource.terraform_resource_type}.{resource.friendly_unique_id}"

    def inputs_of(self, instance: str) -> Expression:
        """Return an instance's INPUTS: a checksum of its inputs and of the script itself.

        A script writes it into the cluster as its completion marker.
        """
        # cdktf would render the index as an attribute, which does not exist.
        return Expression(f'${{sha256(jsonencode({self.address}["{instance}"].triggers))}}')


class CleanupScript(Construct):
    """Runs a script for each instance that is deleted.

    It is a resource of its own, created before what it cleans up, for two reasons.
    Terraform skips the destroy-time provisioners of tainted resources, and a resource
    whose creation failed is tainted. A new version of the installing script replaces
    its resource, which must not remove what it installed. So the inputs only identify
    what is cleaned up. Their names are given apart from the instances, as the command
    still needs them when the last instance is deleted.

    Attributes:
        ready: what is cleaned up depends on this, so that it is deleted first.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        scripts: ScriptFolder,
        script: str,
        context: ScriptContext,
        inputs: Sequence[str],
        instances: Instances,
        depends_on: Sequence[ITerraformDependable] = (),
    ) -> None:
        super().__init__(scope, id_)
        iterator = TerraformIterator.from_map(escape(instances))
        self.ready: ITerraformDependable = NullResource(
            self,
            "Default",
            for_each=iterator,
            triggers={name: iterator.get_string(name) for name in inputs},
            provisioners=[
                LocalExecProvisioner(
                    type="local-exec",
                    when="destroy",
                    interpreter=list(INTERPRETER),
                    command=scripts.command(script),
                    # A destroy-time provisioner can refer only to its own resource.
                    environment=context.environment() | {name.upper(): f"${{self.triggers.{name}}}" for name in inputs},
                )
            ],
            depends_on=list(depends_on),
        )


def _input_names(instances: Instances) -> list[str]:
    """Return the names of the inputs, which all instances share; none if there is no instance."""
    return sorted({name for inputs in instances.values() for name in inputs})
