"""The names by which what `mesh verify` and `mesh drill` change for a while is found if it outlives them."""

TEMPORARY_LABEL = "multi-region-mesh/temporary"
"""On every object that a command creates for a while: the command, `DRILL` or `VERIFY`."""

DRILL, VERIFY = "drill", "verify"

DRILL_ANNOTATION = "multi-region-mesh/drill"
"""On a Deployment that a drill has scaled to 0: the number of replicas to restore."""

DRILL_SIDECAR = "mesh-drill"
"""Name of the Sidecar by which a drill lets pods return 503."""
