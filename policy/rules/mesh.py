"""The mesh: mutual TLS, and authorization."""

from config.naming import NAMESPACE_POLICY
from policy.environment import Block, Entity
from policy.rule import rule

GATEWAYS = "*/ns/istio-gateway/sa/istio-ingressgateway"
"""Identity of the gateways."""

ROOT = "istio-system"
"""Istio's root namespace: a policy there without a selector applies to the whole mesh."""


@rule("region")
def strict_mtls(_: Block, entity: Entity) -> bool:
    """Mutual TLS is strict in every cluster.

    Otherwise callers have no verified identity that authorization policies could use.
    Source: https://istio.io/latest/docs/tasks/security/authentication/mtls-migration/
    """
    policies = entity.environment.objects("PeerAuthentication", entity.name)
    return any(
        policy["metadata"]["namespace"] == ROOT
        and "selector" not in policy["spec"]
        and policy["spec"]["mtls"]["mode"] == "STRICT"
        for policy in policies
    )


@rule("PeerAuthentication")
def no_plain_text(policy: Block, _: Entity) -> bool:
    """No workload and no port accepts plain text.

    A narrower policy overrides the mesh-wide one.
    Source: https://istio.io/latest/docs/reference/config/security/peer_authentication/
    """
    spec = policy["spec"]
    modes = [spec["mtls"]["mode"], *(port["mode"] for port in spec.get("portLevelMtls", {}).values())]
    return set(modes) <= {"STRICT", "UNSET"}


@rule("region")
def default_deny(_: Block, entity: Entity) -> bool:
    """Every cluster has a default-deny policy.

    Otherwise every pod of every cluster can call a service that has no policy.
    Source: https://istio.io/latest/docs/ops/best-practices/security/#use-default-deny-patterns
    """
    return any(
        policy["metadata"]["namespace"] == ROOT and policy["spec"] == {"action": "ALLOW", "rules": []}
        for policy in entity.environment.objects("AuthorizationPolicy", entity.name)
    )


@rule("AuthorizationPolicy")
def routed_ports(policy: Block, entity: Entity) -> bool:
    """Gateways are authorized to call only the ports of a service that routes lead to.

    Other ports, such as those for administrators and metrics, are for callers in the mesh.
    Source: https://istio.io/latest/docs/reference/config/security/authorization-policy/
    """
    spec = policy["spec"]
    allowed = {
        port
        for one in spec.get("rules", [])
        if any(GATEWAYS in sender["source"].get("principals", []) for sender in one.get("from", []))
        for operation in one["to"]
        for port in operation["operation"]["ports"]
    }
    if not allowed:
        return True
    host = f"{spec['selector']['matchLabels']['app']}.{policy['metadata']['namespace']}.svc.cluster.local"
    destinations = [
        one["destination"]
        for virtual_service in entity.environment.objects("VirtualService", entity.region)
        if virtual_service["spec"].get("gateways")  # others are for callers in the mesh
        for entry in virtual_service["spec"]["http"]
        for one in entry.get("route", [])
    ]
    return allowed <= {str(one["port"]["number"]) for one in destinations if one["host"] == host}


@rule("AuthorizationPolicy")
def no_allow_all(policy: Block, _: Entity) -> bool:
    """Allow policies name sources, and either pods and operations or, by their name, that they are a namespace's.

    An empty rule matches every request; a rule without a source, or with a wildcard, matches every caller; a policy
    without a selector applies to all pods of its namespace, in the root namespace of the mesh.
    Source: https://istio.io/latest/docs/reference/config/security/authorization-policy/
    """
    spec = policy["spec"]
    if spec.get("action", "ALLOW") != "ALLOW":
        return True
    rules, metadata = spec.get("rules", []), policy["metadata"]
    if metadata["name"] == NAMESPACE_POLICY:
        narrow = metadata["namespace"] != ROOT
    else:
        narrow = not rules or ("selector" in spec and all(len(one["to"]) > 0 for one in rules))
    return narrow and all(
        len(one["from"]) > 0 and all(_names_a_source(sender["source"]) for sender in one["from"]) for one in rules
    )


def _names_a_source(source: Block) -> bool:
    names = [
        *source.get("principals", []),
        *source.get("namespaces", []),
        *source.get("ipBlocks", []),
        *source.get("remoteIpBlocks", []),
    ]
    return len(names) > 0 and not {"*", "0.0.0.0/0", "::/0"} & set(names)


@rule("DestinationRule")
def certificates(destination: Block, _: Entity) -> bool:
    """Destination rules keep mutual TLS.

    TLS settings of a DestinationRule override the mesh's automatic mutual TLS.
    Source: https://istio.io/latest/docs/reference/config/networking/destination-rule/#ClientTLSSettings
    """
    policy = destination["spec"].get("trafficPolicy", {})
    settings = [policy, *policy.get("portLevelSettings", [])]
    settings += [subset.get("trafficPolicy", {}) for subset in destination["spec"].get("subsets", [])]
    return all(one.get("tls", {"mode": "ISTIO_MUTUAL"})["mode"] == "ISTIO_MUTUAL" for one in settings)


@rule("Namespace")
def injected(namespace: Block, _: Entity) -> bool:
    """Every namespace injects sidecars, except istio-system.

    A pod without a sidecar is not in the mesh: it has no certificate, and no policy protects it.
    Source: https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/
    """
    metadata = namespace["metadata"]
    return metadata["name"] == ROOT or _injects(metadata["labels"])


@rule("Namespace")
def held_labels(namespace: Block, entity: Entity) -> bool:
    """Every deploy restores the labels of namespaces.

    A kubernetes_manifest shares a label with whoever changes it, and reports no conflict until it changes itself.
    Source: https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/
    """
    wanted = namespace["metadata"].get("labels", {})
    held = (
        one["labels"]
        for one in entity.environment.resources("kubernetes_labels")
        if one["provider"] == entity.block["provider"]
        and one["kind"] == "Namespace"
        and one["metadata"]["name"] == namespace["metadata"]["name"]
        and one["force"] is True
    )
    return not wanted or any(labels == wanted for labels in held)


@rule("Deployment")
def not_around_the_sidecar(deployment: Block, _: Entity) -> bool:
    """No pod excludes traffic from its sidecar.

    Source: https://istio.io/latest/docs/ops/best-practices/security/#understand-traffic-capture-limitations
    """
    metadata = deployment["spec"]["template"]["metadata"]
    everything = {**metadata.get("labels", {}), **metadata.get("annotations", {})}
    return everything.get("sidecar.istio.io/inject", "true") == "true" and not any(
        key.startswith("traffic.sidecar.istio.io/exclude") for key in everything
    )


def _injects(labels: Block) -> bool:
    """Return whether a namespace with these labels injects sidecars. With both labels, that is up to their values."""
    revision, injection = labels.get("istio.io/rev"), labels.get("istio-injection")
    return bool(revision) if injection is None else injection == "enabled" and revision is None
