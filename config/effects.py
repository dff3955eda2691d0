"""The effect of a change of a key on a deployed environment.

Every key has one: ``Field(..., json_schema_extra=RESTARTS_PODS)``. docs/configuration.md lists it, and the rehearsal of
changes compares it with what happens.
"""

from enum import StrEnum

from pydantic import JsonValue

EFFECT = "x-effect"
"""Name in the JSON Schema."""


class Effect(StrEnum):
    """The strongest effect of a change, from the weakest to the strongest."""

    NOTHING = "nothing"
    IN_PLACE = "in place"
    ADDS_OR_DELETES = "adds or deletes"
    RESTARTS_PODS = "restarts pods"
    REPLACES_NODES = "replaces nodes"
    REPLACES_CLUSTER = "replaces the cluster"
    REFUSED = "refused"
    NEW_ENVIRONMENT = "new environment"

    @property
    def explanation(self) -> str:
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    Effect.NOTHING: "no resource changes; terraform, the scripts or the checks use the key",
    Effect.IN_PLACE: "resources and objects are updated; pods and nodes keep running",
    Effect.ADDS_OR_DELETES: "resources, objects or pods are added or deleted; others keep running",
    Effect.RESTARTS_PODS: "a rolling update replaces the pods, and the deploy waits for it",
    Effect.REPLACES_NODES: "nodes are replaced, and their pods move to other nodes",
    Effect.REPLACES_CLUSTER: "the plan deletes the cluster and creates it again, with everything in it. While "
    "`cluster.deletion_protection` is on, the apply fails; without it, nothing stops the deploy. Add a region and "
    "retire the old one instead",
    Effect.REFUSED: "the deploy fails in its plan, before it changes anything",
    Effect.NEW_ENVIRONMENT: "the key can't be changed in a deployed environment: destroy the environment first, or "
    "move its state ([backends](backends.md))",
}


def _extra(effect: Effect) -> dict[str, JsonValue]:
    return {EFFECT: effect.value}


NOTHING = _extra(Effect.NOTHING)
IN_PLACE = _extra(Effect.IN_PLACE)
ADDS_OR_DELETES = _extra(Effect.ADDS_OR_DELETES)
RESTARTS_PODS = _extra(Effect.RESTARTS_PODS)
REPLACES_NODES = _extra(Effect.REPLACES_NODES)
REPLACES_CLUSTER = _extra(Effect.REPLACES_CLUSTER)
REFUSED = _extra(Effect.REFUSED)
NEW_ENVIRONMENT = _extra(Effect.NEW_ENVIRONMENT)
