"""The mesh: who is believed, and who may ask whom."""

from policy.environment import Block, Place
from policy.rule import rule

ROOT = "istio-system"
"""Istio's root namespace: what stands there without a selector is for the whole mesh."""


@rule("region")
def strict_mtls(_: Block, place: Place) -> bool:
    """Every cluster's mesh takes only connections with a certificate of the mesh.

    Otherwise who asks is not known, and a policy about who may ask is about nobody.
    Source: https://istio.io/latest/docs/tasks/security/authentication/mtls-migration/
    """
    policies = place.environment.objects("PeerAuthentication", place.name)
    return any(
        policy["metadata"]["namespace"] == ROOT
        and "selector" not in policy["spec"]
        and policy["spec"]["mtls"]["mode"] == "STRICT"
        for policy in policies
    )


@rule("PeerAuthentication")
def no_plain_text(policy: Block, _: Place) -> bool:
    """Nothing in the mesh takes plain text, also not on one port.

    A narrower policy wins over the whole mesh's.
    Source: https://istio.io/latest/docs/reference/config/security/peer_authentication/
    """
    spec = policy["spec"]
    modes = [spec["mtls"]["mode"], *(port["mode"] for port in spec.get("portLevelMtls", {}).values())]
    return set(modes) <= {"STRICT", "UNSET"}


@rule("region")
def default_deny(_: Block, place: Place) -> bool:
    """Every cluster's mesh refuses what no policy allows.

    Otherwise a service without a policy is open to every pod of every cluster.
    Source: https://istio.io/latest/docs/ops/best-practices/security/#use-default-deny-patterns
    """
    return any(
        policy["metadata"]["namespace"] == ROOT and policy["spec"] == {}
        for policy in place.environment.objects("AuthorizationPolicy", place.name)
    )


@rule("AuthorizationPolicy")
def no_allow_all(policy: Block, _: Place) -> bool:
    """A policy that allows says whom, and what.

    An empty rule matches every request, and one without a source or with a star everybody.
    Source: https://istio.io/latest/docs/reference/config/security/authorization-policy/
    """
    spec = policy["spec"]
    if spec.get("action", "ALLOW") != "ALLOW":
        return True
    return all(
        len(one["to"]) > 0 and len(one["from"]) > 0 and all(_somebody(sender["source"]) for sender in one["from"])
        for one in spec.get("rules", [])
    )


def _somebody(source: Block) -> bool:
    names = [
        *source.get("principals", []),
        *source.get("namespaces", []),
        *source.get("ipBlocks", []),
        *source.get("remoteIpBlocks", []),
    ]
    return len(names) > 0 and not {"*", "0.0.0.0/0", "::/0"} & set(names)


@rule("DestinationRule")
def certificates(destination: Block, _: Place) -> bool:
    """Nobody is told to speak to a service without the mesh's certificates.

    A DestinationRule's own TLS settings replace what the mesh would do by itself.
    Source: https://istio.io/latest/docs/reference/config/networking/destination-rule/#ClientTLSSettings
    """
    policy = destination["spec"].get("trafficPolicy", {})
    settings = [policy, *policy.get("portLevelSettings", [])]
    settings += [subset.get("trafficPolicy", {}) for subset in destination["spec"].get("subsets", [])]
    return all(one.get("tls", {"mode": "ISTIO_MUTUAL"})["mode"] == "ISTIO_MUTUAL" for one in settings)


@rule("Namespace")
def injected(namespace: Block, _: Place) -> bool:
    """Every namespace of ours has sidecars, but for the mesh's own.

    A pod without one is not in the mesh: it has no certificate, and no policy guards it.
    Source: https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/
    """
    metadata = namespace["metadata"]
    return metadata["name"] == ROOT or len(metadata["labels"]["istio.io/rev"]) > 0


@rule("Deployment")
def not_around_the_sidecar(deployment: Block, _: Place) -> bool:
    """No pod's traffic goes around its sidecar.

    Source: https://istio.io/latest/docs/ops/best-practices/security/#understand-traffic-capture-limitations
    """
    metadata = deployment["spec"]["template"]["metadata"]
    everything = {**metadata.get("labels", {}), **metadata.get("annotations", {})}
    return everything.get("sidecar.istio.io/inject", "true") == "true" and not any(
        key.startswith("traffic.sidecar.istio.io/exclude") for key in everything
    )
