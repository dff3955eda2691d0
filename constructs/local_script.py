"""Scripts as resources: one that makes something, one that cleans up after it."""

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
from constructs.script_folder import ScriptFolder


@dataclass(frozen=True)
class ScriptContext:
    """How scripts get to clusters, as opposed to what they do there.

    None of it is a trigger: to reach a cluster another way is no reason to install
    its mesh again, and still less to take it down.

    Attributes:
        project: the project of the clusters and of the fleet.
        endpoint: ``public``, ``private`` or ``dns``.
        account: service account to act as; empty for the caller's own credentials.
    """

    project: str
    endpoint: str
    account: str | None

    def environment(self) -> dict[str, str]:
        return {"PROJECT": self.project, "ENDPOINT": self.endpoint, "ACCOUNT": self.account or ""}


Instances = Mapping[str, Mapping[str, str]]
"""Inputs of a script by instance key: lower-case names, which reach it in upper case."""


class LocalScript(Construct):
    """Runs a script for each instance, again only when an input or the script itself changes.

    Attributes:
        done: what has to wait for the script depends on this.
        address: the resource's, by which terraform can be told to run an instance again.
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
            _literals({key: {**inputs, **more.get(key, {})} for key, inputs in instances.items()})
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
        """Return what an instance's script gets as INPUTS: a checksum of all inputs and of the script itself.

        A script that writes it where it works, when all is done, tells by it that it was.
        """
        # cdktf would write the index as an attribute, and there is none of that name.
        return Expression(f'${{sha256(jsonencode({self.address}["{instance}"].triggers))}}')


class CleanupScript(Construct):
    """Runs a script for each instance that goes away.

    It is a resource of its own, made before what it cleans up after, for two
    reasons: a resource whose creation failed is tainted, and Terraform skips the
    destroy-time scripts of tainted resources; and a new version of the making
    script replaces its resource, which must not take down what it made. So the
    inputs here are only what identifies the thing. Their names are given apart
    from the instances: when the last instance goes, the command still needs them.

    Attributes:
        ready: what is to be cleaned up depends on this, so that it goes first.
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
        iterator = TerraformIterator.from_map(_literals(instances))
        self.ready: ITerraformDependable = NullResource(
            self,
            "Default",
            for_each=iterator,
            triggers={name: iterator.get_string(name) for name in inputs},
            provisioners=[
                LocalExecProvisioner(
                    type="local-exec",
                    when="destroy",
                    command=scripts.command(script),
                    # A destroy-time script may refer to nothing but its own resource.
                    environment=context.environment() | {name.upper(): f"${{self.triggers.{name}}}" for name in inputs},
                )
            ],
            depends_on=list(depends_on),
        )


def _literals(instances: Instances) -> dict[str, dict[str, str]]:
    return {key: {name: escape(value) for name, value in inputs.items()} for key, inputs in instances.items()}


def _input_names(instances: Instances) -> list[str]:
    """Return the names of the inputs, which all instances share; none if there is no instance."""
    return sorted({name for inputs in instances.values() for name in inputs})
