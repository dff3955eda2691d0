"""Scripts that terraform runs: which, with which inputs, and their reviewed content."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path as File
from typing import Any

from config.environment import Environment, ResolvedRegion
from config.paths import ROOT
from policy.addresses import address, after, unique_id
from policy.claims import Claims, Path, Sentence
from policy.objects import applied
from policy.rule import rule
from policy.rules.terraform import ca_certificate, host, of_cluster
from policy.synthesis import FILES

TOOLS = "gcloud gke-gcloud-auth-plugin kubectl istioctl curl git jq tar awk grep sed tr head csplit"
ISTIO_CRDS = (
    *("destinationrules.networking.istio.io", "gateways.networking.istio.io", "virtualservices.networking.istio.io"),
    *("authorizationpolicies.security.istio.io", "peerauthentications.security.istio.io"),
)
GATEWAY_CRDS = (
    *("serviceimports.net.gke.io", "gateways.gateway.networking.k8s.io", "httproutes.gateway.networking.k8s.io"),
    *(f"{kind}.networking.gke.io" for kind in ("healthcheckpolicies", "gcpbackendpolicies", "gcpgatewaypolicies")),
)
INGRESS_CRDS = ("multiclusteringresses.networking.gke.io", "multiclusterservices.networking.gke.io")
Instances = Mapping[str, Mapping[str, Any]]


def crds(environment: Environment, region: ResolvedRegion) -> list[str]:
    """Return the CRDs that a cluster has to serve before its objects can be planned."""
    fleet = environment.mesh.control_plane == "fleet"
    distribution = fleet and environment.has_failover_threshold
    ingress = environment.ingress
    config_cluster = region.key == ingress.config_cluster
    return [
        *(["controlplanerevisions.mesh.cloud.google.com"] if fleet else []),
        *ISTIO_CRDS,
        *(INGRESS_CRDS if config_cluster and ingress.api != "gateway" else ()),
        *(["serviceexports.net.gke.io"] if ingress.uses_gateway else []),
        *(GATEWAY_CRDS if config_cluster and ingress.uses_gateway else ()),
        *(["gcptrafficdistributionpolicies.networking.gke.io"] if distribution else []),
        *(["secretproviderclasses.secrets-store.csi.x-k8s.io"] if environment.cluster.secret_manager else []),
    ]


def _script(
    environment: Environment,
    where: tuple[str, str],
    script: str,
    instances: Instances,
    depends_on: Sequence[str],
    *,
    inputs: Sequence[str] | None = None,
    access: Instances | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Return the claim of a script: it runs for each instance, or on destroy if the names of inputs are given.

    Args:
        environment: the configuration.
        where: its stack, and its path there.
        script: its file.
        instances: the inputs, by instance.
        depends_on: addresses; those with a slash are paths of other scripts of the stack.
        inputs: names of the inputs on destroy.
        access: inputs that are no triggers.
    """
    on_destroy = inputs is not None
    names = sorted({name for one in instances.values() for name in one}) if inputs is None else inputs
    others = sorted({name for one in (access or {}).values() for name in one})
    own = {name.upper(): f"${{{'self.triggers' if on_destroy else 'each.value'}.{name}}}" for name in [*names, *others]}
    content = hashlib.sha256(b"".join((ROOT / "scripts" / name).read_bytes() for name in (script, "lib.sh")))
    after_these = (address("null_resource", one) if "/" in one else one for one in depends_on)
    return _null(*where), {
        "for_each": {key: {**one, **(access or {}).get(key, {})} for key, one in instances.items()},
        "triggers": {name: f"${{each.value.{name}}}" for name in names}
        | ({} if on_destroy else {"script": content.hexdigest()[:16]}),
        "provisioner": [
            {
                "local-exec": {
                    "when": "destroy" if on_destroy else None,
                    # Without the caller's functions and options, which can make a script do nothing, and succeed.
                    "interpreter": ["bash", "-p"],
                    "command": f"assets/scripts/{_shipped()}/{script}",
                    "environment": {
                        "PROJECT": environment.project.id,
                        "ENDPOINT": environment.cluster.endpoint,
                        "ACCOUNT": environment.project.impersonate_service_account or "",
                        **own,
                        **({} if on_destroy else {"INPUTS": "${sha256(jsonencode(self.triggers))}"}),
                    },
                }
            }
        ],
        "depends_on": after(*after_these),
    }


def _shipped() -> str:
    """Return the folder of the reviewed scripts in a stack's output."""
    return _asset_folder(b"".join(path.read_bytes() for path in sorted((ROOT / "scripts").glob("*.*"))))


def _asset_folder(content: bytes) -> str:
    """Return the folder of an asset in a stack's output, which cdktf names after the content.

    Source: https://github.com/hashicorp/terraform-cdk/blob/v0.21.0/packages/cdktf/lib/private/fs.ts
    """
    return hashlib.md5(content, usedforsecurity=False).hexdigest().upper()


def _null(stack: str, path: str) -> tuple[str, ...]:
    return (stack, "resource", "null_resource", unique_id(path))


def members(environment: Environment) -> list[ResolvedRegion]:
    """Return the regions whose clusters are in the mesh."""
    return [region for region in environment.resolved_regions() if not region.retired]


def _identity(region: ResolvedRegion) -> str:
    return f"${{sha256({of_cluster(region, 'master_auth[0].cluster_ca_certificate')})}}"


def _kubeconfig(region: ResolvedRegion) -> str:
    return f"${{local.{unique_id(f'kubeconfigs/{region.key}')}}}"


def _marker(path: str, key: str) -> str:
    return f'${{sha256(jsonencode({address("null_resource", path)}["{key}"].triggers))}}'


def load_balancer_features(environment: Environment) -> list[str]:
    """Return the addresses of what the load balancer needs of the fleet."""
    gateway = ["google_project_iam_member.gateway-controller"] if environment.ingress.uses_gateway else []
    return ["google_gke_hub_feature.multi-cluster-ingress", *gateway]


def used_by_gateways(environment: Environment) -> list[str]:
    """Return the addresses of what the load balancers use: it is deleted after them."""
    domains = environment.ingress.domains if environment.has_certificate_map else ()
    entries = [f"certificate-map/{domain}/entry" for domain in domains]
    return [
        *(applied(f"regions/{region.key}/exported-gateway/export") for region in members(environment)),
        *(["google_compute_global_address.gateway-address"] if "external" in environment.ingress.exposures else []),
        *([address("google_compute_ssl_policy", "certificates/policy")] if domains else []),
        *(address("google_certificate_manager_certificate_map_entry", entry) for entry in entries),
    ]


@rule("https://cloud.google.com/service-mesh/docs/migrate/modernization-overview")
def fixed_control_plane(environment: Environment) -> Claims:
    """The control plane mode of an existing mesh can't change."""
    mode = environment.mesh.control_plane
    condition = {
        "condition": f'${{self.triggers.control_plane == "{mode}"}}',
        "error_message": Sentence("self.triggers.control_plane"),
    }
    kept = {"lifecycle": {"ignore_changes": ["triggers"], "postcondition": [condition]}}
    tools = after("null_resource.tools") if mode != "fleet" else None
    yield _null("mesh", "fixed"), {"triggers": {"control_plane": mode}, "depends_on": tools, **kept}


@rule("https://cloud.google.com/kubernetes-engine/docs/how-to/api-server-authentication")
def kubeconfigs(environment: Environment) -> Claims:
    """Kubeconfigs hold no token, and verify the API servers' certificates."""
    account = environment.project.impersonate_service_account
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "gke-gcloud-auth-plugin",
        "installHint": "gcloud components install gke-gcloud-auth-plugin",
        "interactiveMode": "Never",
        "provideClusterInfo": True,
    }
    if account:
        plugin["args"] = [f"--impersonate_service_account={account}"]
    for region in members(environment) if environment.mesh.control_plane != "fleet" else ():
        name, authority = region.names.cluster, ca_certificate(environment, region)
        server: dict[str, Any] = {"server": host(environment, region)}
        if authority:
            server["certificate-authority-data"] = _Expression(authority)
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": server}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "users": [{"name": name, "user": {"exec": plugin}}],
        }
        yield ("mesh", "locals", unique_id(f"kubeconfigs/{region.key}")), f"${{jsonencode({_hcl(content)})}}"


class _Expression(str):
    __slots__ = ()


def _hcl(value: Any) -> str:
    """Return a value as terraform's language writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {_hcl(inner)}' for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_hcl, value)) + "]"
    return str(value) if isinstance(value, _Expression) else json.dumps(value)


@rule("https://developer.hashicorp.com/terraform/language/resources/provisioners/local-exec")
def scripts(environment: Environment) -> Claims:
    """Terraform runs the project's own scripts only, each with inputs that are no secrets.

    Inputs are triggers, which are in the state. A script gets its tokens from gcloud, as the configured account.
    """
    mode, regions = environment.mesh.control_plane, environment.resolved_regions()
    if mode == "fleet":
        return
    tools = {"here": {"control_plane": mode, "tools": TOOLS}}
    for stack in ("network", "mesh"):
        yield _script(environment, (stack, "tools"), "check-tools.sh", tools, [])
    vpc = environment.names.vpc
    subnets = [address("google_compute_subnetwork", f"regions/{region.key}/subnet") for region in regions]
    places = {one.key: {"cluster": one.names.cluster, "location": one.location} for one in regions}
    yield _script(
        environment,
        ("network", "mesh-cleanup"),
        "delete-mesh-networking.sh",
        {key: {**place, "vpc": vpc} for key, place in places.items()},
        inputs=("vpc", "location", "cluster"),
        depends_on=subnets,
    )
    ingress = environment.ingress
    certificates = [address("google_compute_managed_ssl_certificate", f"certificates/{one}") for one in ingress.domains]
    policy = [address("google_compute_ssl_policy", "certificates/policy")] if certificates else []
    used = ["google_compute_global_address.address", *certificates, *policy]
    cleanups = [("cleanup", "mci", {"vpc": vpc}, used if ingress.uses_mci else None)]
    if ingress.api != "multi-cluster-ingress":
        used_there = used_by_gateways(environment) if ingress.uses_gateway else None
        cleanups.append(("gateway-cleanup", "gkemcg1", {"vpc": vpc, "controller": "gkemcg1"}, used_there))
    for path, controller, values, resources in cleanups:
        instances = {} if resources is None else {controller: values}
        script, names = "wait-for-load-balancer-cleanup.sh", tuple(values)
        yield _script(environment, ("ingress", path), script, instances, resources or (), inputs=names)


@rule("https://developer.hashicorp.com/terraform/language/files/override")
def output_files(environment: Environment) -> Claims:
    """Beside the stacks' JSON, there are the reviewed scripts and the configuration's asmcli only.

    Terraform merges other files of its folder with the JSON, and runs these copies of the scripts.
    """
    for stack in ("network", "mesh", "ingress") if environment.mesh.control_plane != "fleet" else ():
        for script in (ROOT / "scripts").glob("*.*"):
            yield (FILES, f"stacks/{stack}/assets/scripts/{_shipped()}/{script.name}"), _sha256(script)


def _sha256(file: File) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@rule("https://cloud.google.com/service-mesh/docs/unified-install/install-dependent-tools")
def installer(environment: Environment) -> Claims:
    """asmcli installs the control planes, and only after its checksum is verified."""
    if environment.mesh.control_plane == "fleet":
        return
    asmcli = environment.mesh.asmcli
    file = ""
    if asmcli.file is not None:
        given = File(asmcli.file)
        file = f"assets/{unique_id('control-plane/asmcli')}/{_asset_folder(given.read_bytes())}/{given.name}"
        yield (FILES, f"stacks/mesh/{file}"), _sha256(given)
    url = f"https://storage.googleapis.com/csm-artifacts/asm/asmcli_{asmcli.version.replace('+', '-')}"
    places = {one.key: {"cluster": one.names.cluster, "location": one.location} for one in members(environment)}
    yield _script(
        environment,
        ("mesh", "control-plane/removal"),
        "remove-mesh.sh",
        places,
        inputs=("cluster", "location"),
        depends_on=["google_gke_hub_feature.service-mesh"],
    )
    path, install = _script(
        environment,
        ("mesh", "control-plane/install"),
        "install-mesh.sh",
        {
            one.key: {
                **places[one.key],
                "identity": _identity(one),
                "mode": "in-cluster" if environment.mesh.control_plane == "asmcli-in-cluster" else "managed",
                "channel": environment.cluster.release_channel,
                "revision": environment.revision,
                "asmcli_url": url,
                "asmcli_file": file,
                "asmcli_sha256": asmcli.sha256 or "",
            }
            for one in members(environment)
        },
        depends_on=["control-plane/removal"],
    )
    condition = '${each.value.asmcli_sha256 != "" || each.value.asmcli_file != ""}'
    checked = {"precondition": [{"condition": condition, "error_message": Sentence("each.value.asmcli_url")}]}
    yield path, install | {"lifecycle": checked}
    yield _script(
        environment,
        ("mesh", "crds/wait"),
        "wait-for-crds.sh",
        {
            one.key: {
                **places[one.key],
                "identity": _identity(one),
                "revision": environment.revision,
                "installed_by": f'{address("null_resource", "control-plane/install")}["{one.key}"]',
                "marker": _marker("control-plane/install", one.key),
                "crds": " ".join(crds(environment, one)),
            }
            for one in members(environment)
        },
        access={one.key: {"cluster_kubeconfig": _kubeconfig(one)} for one in members(environment)},
        depends_on=["control-plane/install", "trust/check", *load_balancer_features(environment)],
    )


@rule("https://istio.io/latest/docs/setup/install/multicluster/multi-primary/")
def remote_secrets(environment: Environment) -> Claims:
    """Each cluster of the mesh has a remote secret for each other one, and a retired cluster has none.

    A remote secret is a token that reads the other cluster's endpoints.
    """
    if environment.mesh.control_plane == "fleet":
        return
    pairs = {f"{holder.key}/{remote.key}": (holder, remote) for holder, remote in permutations(members(environment), 2)}
    names = {key: f"istio-remote-secret-{remote.remote_name}" for key, (_, remote) in pairs.items()}
    holders = {
        key: {"holder_cluster": holder.names.cluster, "holder_location": holder.location}
        for key, (holder, _) in pairs.items()
    }
    yield _script(
        environment,
        ("mesh", "trust/withdrawal"),
        "delete-remote-secret.sh",
        {key: {**holder, "secret_name": names[key]} for key, holder in holders.items()},
        inputs=("holder_cluster", "holder_location", "secret_name"),
        depends_on=["control-plane/removal"],
    )
    yield _script(
        environment,
        ("mesh", "trust/grant"),
        "create-remote-secret.sh",
        {
            key: {
                **holders[key],
                "holder_identity": _identity(holder),
                "remote_cluster": remote.names.cluster,
                "remote_location": remote.location,
                "remote_identity": _identity(remote),
                "remote_name": remote.remote_name,
                "remote_server": f"https://${{{of_cluster(remote, 'private_cluster_config[0].private_endpoint')}}}",
            }
            for key, (holder, remote) in pairs.items()
        },
        access={
            key: {"holder_kubeconfig": _kubeconfig(holder), "remote_kubeconfig": _kubeconfig(remote)}
            for key, (holder, remote) in pairs.items()
        },
        depends_on=["control-plane/install", "trust/withdrawal"],
    )
    yield _script(
        environment,
        ("mesh", "trust/check"),
        "check-remote-secret.sh",
        {
            key: {
                "holder_cluster": holder.names.cluster,
                "secret_name": names[key],
                "marker": _marker("trust/grant", key),
                "granted_by": f'{address("null_resource", "trust/grant")}["{key}"]',
            }
            for key, (holder, _) in pairs.items()
        },
        access={key: {"holder_kubeconfig": _kubeconfig(holder)} for key, (holder, _) in pairs.items()},
        depends_on=["trust/grant"],
    )
