"""Terraform: providers, states, and the outputs between stacks."""

from typing import Any

from config.environment import Environment, ResolvedRegion
from config.naming import STACKS
from policy.addresses import REMOTE, other_stack, ref
from policy.claims import Claims, Sentence
from policy.rule import rule
from policy.synthesis import state_path

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
VERSIONS = {"google": "6.50.0", "kubernetes": "2.38.0", "null": "3.2.4"}
ADDRESS = "google_compute_global_address"
READS = {"clusters": "network", "mesh": "clusters", "ingress": "clusters"}
"""The stack whose outputs a stack reads."""


def providers(environment: Environment, stack: str) -> list[str]:
    """Return the providers of a stack."""
    scripts = ["null"] if environment.mesh.control_plane != "fleet" else []
    return {"network": ["google", *scripts], "clusters": ["google"]}.get(stack, ["google", "kubernetes", "null"])


def _installed_modes() -> str:
    """Return an expression for the control plane modes in the local state of the mesh."""
    return (
        f'distinct([for one in try(jsondecode(file("${{path.module}}/{state_path("mesh")}")).resources, []) : '
        'one.instances[0].attributes.triggers.control_plane if one.name == "fixed" && length(one.instances) > 0])'
    )


def kept_mode(mode: str) -> dict[str, Any]:
    """Return the precondition that the mesh in the state was installed with a mode, or that there is none."""
    condition = f'${{alltrue([for mode in {_installed_modes()} : mode == "{mode}"])}}'
    return {"condition": condition, "error_message": Sentence(f'join("", {_installed_modes()})')}


def host(environment: Environment, region: ResolvedRegion) -> str:
    """Return the URL of a cluster's API server: the endpoint that the configuration selects."""
    attribute = {
        "dns": "control_plane_endpoints_config[0].dns_endpoint_config[0].endpoint",
        "private": "private_cluster_config[0].private_endpoint",
        "public": "endpoint",
    }[environment.cluster.endpoint]
    return f"https://${{{of_cluster(region, attribute)}}}"


def ca_certificate(environment: Environment, region: ResolvedRegion) -> str | None:
    """Return an expression for the authority of a cluster's API server; a DNS endpoint has a public one."""
    if environment.cluster.endpoint == "dns":
        return None
    return of_cluster(region, "master_auth[0].cluster_ca_certificate")


def of_cluster(region: ResolvedRegion, attribute: str) -> str:
    """Return an expression for an attribute of a region's cluster."""
    return other_stack("clusters", "google_container_cluster", f"regions/{region.key}/cluster", attribute)


@rule("https://developer.hashicorp.com/terraform/language/providers/requirements")
def pinned_providers(environment: Environment) -> Claims:
    """Every provider has one pinned version.

    Another version is another program with the operator's permissions. The repository has no checksums of providers, as
    cdktf recreates terraform's lock file.
    """
    for stack in STACKS:
        wanted = {name: {"source": name, "version": VERSIONS[name]} for name in providers(environment, stack)}
        ephemeral = environment.project.impersonate_service_account and stack in ("mesh", "ingress")
        least = ">= 1.10.0" if ephemeral else ">= 1.5.0"
        yield (stack, "terraform"), {"required_providers": wanted, "required_version": least}


@rule("https://developer.hashicorp.com/terraform/language/backend")
def states(environment: Environment) -> Claims:
    """States are where the configuration says, and each stack reads only the one before it."""
    for stack in STACKS:
        yield (stack, "terraform"), _backend(environment, stack)
    for stack, read in READS.items():
        kind, content = next(iter(_backend(environment, read).items()))
        if kind == "backend":
            kind, content = next(iter(content.items()))
        workspace = "${terraform.workspace}" if kind != "cloud" else None
        source = {"backend": "remote" if kind == "cloud" else kind, "config": content, "workspace": workspace}
        yield (stack, "data", "terraform_remote_state", REMOTE + read), source


def _backend(environment: Environment, stack: str) -> dict[str, Any]:
    backend, name = environment.backend, environment.state_name(stack)
    match backend.type:
        case "cloud":
            place = {"hostname": backend.hostname, "organization": backend.organization}
            return {"cloud": {**place, "workspaces": {"name": name}}}
        case "gcs":
            return {"backend": {"gcs": {"bucket": backend.bucket, "prefix": name}}}
    return {"backend": {"local": {"path": state_path(stack)}}}


@rule("https://cloud.google.com/docs/authentication/use-service-account-impersonation")
def deployer(environment: Environment) -> Claims:
    """Terraform acts as the configured service account, in the configured project."""
    project, account = environment.project.id, environment.project.impersonate_service_account
    batching = [{"enable_batching": True, "send_after": "1s"}]
    own = {"project": project, "impersonate_service_account": account, "batching": batching}
    # Its own credentials, for the call that impersonates the account.
    caller = [{"alias": "caller", "project": project}] if account else []
    for stack in STACKS:
        yield (stack, "provider"), {"google": [own, *(caller if stack in ("mesh", "ingress") else [])]}
        if "null" in providers(environment, stack):
            yield (stack, "provider"), {"null": [NOTHING]}


NOTHING: Any = {}


@rule("https://developer.hashicorp.com/terraform/language/resources/ephemeral")
def provider_tokens(environment: Environment) -> Claims:
    """Providers verify the API servers' certificates, and their tokens are in no state and no plan."""
    account = environment.project.impersonate_service_account
    token = {"target_service_account": account, "scopes": [CLOUD_PLATFORM], "lifetime": "3600s"}
    plugin = {
        "api_version": "client.authentication.k8s.io/v1beta1",
        "command": "gke-gcloud-auth-plugin",
        "args": ["--use_application_default_credentials"],
    }
    for stack in ("mesh", "ingress"):
        if account:
            yield (stack, "ephemeral", *TOKEN.split(".")), {"provider": "google.caller", **token}
        clusters = []
        for region in environment.resolved_regions():
            authority = ca_certificate(environment, region)
            clusters.append(
                {
                    "alias": region.key,
                    "host": host(environment, region),
                    "cluster_ca_certificate": f"${{base64decode({authority})}}" if authority else None,
                    "token": f"${{ephemeral.{TOKEN}.access_token}}" if account else None,
                    "exec": None if account else [plugin],
                }
            )
        yield (stack, "provider"), {"kubernetes": clusters}


TOKEN = "google_service_account_access_token.kubernetes"


@rule("https://developer.hashicorp.com/terraform/language/manage-sensitive-data")
def outputs(environment: Environment) -> Claims:
    """Outputs are what other stacks read, and what users need of the ingress; none is a secret.

    Outputs are in the state, and every stack that reads the state gets them.
    """
    ingress, regions = environment.ingress, environment.resolved_regions()
    flag = {"public": "", "private": " --internal-ip", "dns": " --dns-endpoint"}[environment.cluster.endpoint]
    values: dict[str, Any] = {}
    for region in regions:
        values[f"cluster-{region.key}"] = region.names.cluster
        values[f"connect-{region.key}"] = (
            f"gcloud container clusters get-credentials {region.names.cluster} --location {region.location} "
            f"--project {environment.project.id}{flag}"
        )
    if ingress.enabled:
        of_gateway = ref(ADDRESS, "gateway-address", "address") if "external" in ingress.exposures else None
        address = ref(ADDRESS, "address", "address") if ingress.uses_mci else of_gateway
        values["gateway-vip"] = of_gateway if ingress.uses_mci else None
        if address is not None:
            values |= {"vip": address, "url": _first_url(environment, address)}
            values["dns-records"] = [f"{domain}. A {address}" for domain in ingress.domains]
            values["dns-records"] += [_authorization(domain) for domain in ingress.domains if of_gateway]
    for name, value in values.items():
        yield ("ingress", "output"), {name: {"value": value} if value else None}


def _authorization(domain: str) -> str:
    """Return the DNS record that authorizes a certificate."""
    kind, path = "google_certificate_manager_dns_authorization", f"certificate-map/{domain}/authorization"
    return " ".join(ref(kind, path, f"dns_resource_record[0].{part}") for part in ("name", "type", "data"))


def _first_url(environment: Environment, address: str) -> str:
    services, ingress = environment.all_services().values(), environment.ingress
    routes = [route for service in services for route in service.routes if route.redirect is None]
    hosts = [*(one.host for one in routes[:1] if one.host), *ingress.domains, address]
    return f"{ingress.scheme}://{hosts[0]}{routes[0].path[0] if routes else '/'}"
