"""The control plane modes, `mesh.control_plane`, and what each of them implies.

A new mode is a name in `ControlPlaneMode`; mypy then shows every place that has to
know it, as each ends in ``assert_never``.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal, assert_never, get_args

from config.cluster import Channel

ControlPlaneMode = Literal["asmcli-in-cluster", "asmcli-managed", "fleet"]
"""Every mode, as the configuration spells it."""

MODES: tuple[ControlPlaneMode, ...] = get_args(ControlPlaneMode)

Installer = Literal["asmcli", "fleet-api"]
Discovery = Literal["remote-secrets", "connected"]


@dataclass(frozen=True)
class EndOfSupport:
    """Google's plan to stop supporting a mode.

    Attributes:
        deprecated: the date of the announcement.
        ends: the first day without support.
        part: the subject of the sentence: what Google stops supporting.
    """

    deprecated: date
    ends: date
    part: str

    def describe(self) -> str:
        """Return the dates as a sentence without a full stop."""
        return f"{self.part} is deprecated since {self.deprecated}, and Google's support ends on {self.ends}"


@dataclass(frozen=True)
class ControlPlane:
    """What a mode implies for the rest of the project.

    Attributes:
        summary: how the mesh control plane is installed, and where it runs, for the configuration's reference.
        end: when Google stops supporting it; None where nothing is announced.
        installer: ``asmcli``: scripts install it from where terraform runs, and leave a completion
            marker in each cluster. ``fleet-api``: Google's fleet API does, and a Job in each cluster
            waits for it.
        runs_on_nodes: istiod runs as pods, in the version that the configuration pins. It watches the
            other clusters from their addresses, which the GKE control planes have to authorize.
        discovery: how a control plane finds the endpoints of the other clusters. ``remote-secrets``
            hold a token for each; ``connected`` is an option of Google's mesh, without a token.
        selected_by_revision: namespaces select the control plane by its revision label, ``istio.io/rev``. If not,
            they are labelled ``istio-injection: enabled``, as Google documents it for new fleets.
            https://cloud.google.com/service-mesh/docs/anthos-service-mesh-proxy-injection
        webhook_ports: TCP ports of a sidecar injector on the nodes, which the GKE control planes call.
        locality_needs_setting: locality load balancing is off unless a DestinationRule enables it.
        takes_failover_threshold: the implementation is TRAFFIC_DIRECTOR, which has its own locality load balancing, and
            reads a threshold from a GCPTrafficDistributionPolicy. No other does.
            https://cloud.google.com/service-mesh/docs/operate-and-maintain/advanced-load-balancing-istio
        retries_elsewhere: a retry can go to another region: ``retryRemoteLocalities``. TRAFFIC_DIRECTOR balances by
            locality in another way, and whether it accepts the field could not be read.
        takes_sidecar_ingress: a Sidecar's ``ingress`` is supported; TRAFFIC_DIRECTOR does not support it.
            https://cloud.google.com/service-mesh/docs/supported-features-managed
    """

    summary: str
    end: EndOfSupport | None
    installer: Installer
    runs_on_nodes: bool
    discovery: Discovery
    selected_by_revision: bool
    webhook_ports: tuple[str, ...]
    locality_needs_setting: bool
    takes_failover_threshold: bool
    retries_elsewhere: bool
    takes_sidecar_ingress: bool

    @property
    def runs_local_scripts(self) -> bool:
        """Whether terraform runs scripts, which need gcloud, kubectl, istioctl and more on its machine."""
        match self.installer:
            case "asmcli":
                return True
            case "fleet-api":
                return False
        assert_never(self.installer)

    @property
    def uses_remote_secrets(self) -> bool:
        """Whether every cluster holds a remote secret for every other one."""
        match self.discovery:
            case "remote-secrets":
                return True
            case "connected":
                return False
        assert_never(self.discovery)


# Source of both: https://cloud.google.com/service-mesh/deprecations
_DEPRECATED, _ENDS = date(2026, 9, 28), date(2028, 3, 1)

ASMCLI_IN_CLUSTER = ControlPlane(
    summary="asmcli installs istiod on your nodes, in the pinned version, and you upgrade it",
    end=EndOfSupport(_DEPRECATED, _ENDS, "An in-cluster control plane on GKE"),
    installer="asmcli",
    runs_on_nodes=True,
    discovery="remote-secrets",
    selected_by_revision=True,
    webhook_ports=("15017",),
    # The package that asmcli installs disables it for the whole mesh (its istio-operator.yaml).
    locality_needs_setting=True,
    takes_failover_threshold=False,
    retries_elsewhere=True,
    takes_sidecar_ingress=True,
)

# asmcli --managed itself is deprecated since 2024-08-22, and unsupported since February 2025. It still works.
ASMCLI_MANAGED = ControlPlane(
    summary="asmcli --managed installs a control plane that Google runs; for existing meshes",
    end=EndOfSupport(
        _DEPRECATED,
        _ENDS,
        "Installation by asmcli --managed is unsupported since February 2025. A managed control plane of the "
        "implementation ISTIOD",
    ),
    installer="asmcli",
    runs_on_nodes=False,
    discovery="remote-secrets",
    selected_by_revision=True,
    # Google's webhook is not on the nodes. The reference opens the port all the same.
    webhook_ports=("15017",),
    locality_needs_setting=False,
    takes_failover_threshold=False,
    retries_elsewhere=True,
    takes_sidecar_ingress=True,
)

FLEET = ControlPlane(
    summary="the fleet API installs a control plane that Google runs, and terraform needs no tool for it",
    end=None,
    installer="fleet-api",
    runs_on_nodes=False,
    discovery="connected",
    selected_by_revision=False,
    webhook_ports=(),
    locality_needs_setting=False,
    takes_failover_threshold=True,
    retries_elsewhere=False,
    takes_sidecar_ingress=False,
)


def control_plane(mode: ControlPlaneMode) -> ControlPlane:
    """Return what a mode implies."""
    match mode:
        case "asmcli-in-cluster":
            return ASMCLI_IN_CLUSTER
        case "asmcli-managed":
            return ASMCLI_MANAGED
        case "fleet":
            return FLEET
    assert_never(mode)


def managed_revision(channel: Channel) -> str:
    """Return the revision label of a control plane that Google runs, which follows the release channel.

    Source: https://cloud.google.com/service-mesh/docs/managed/select-a-release-channel
    """
    match channel:
        case "rapid":
            return "asm-managed-rapid"
        case "regular":
            return "asm-managed"
        case "stable":
            return "asm-managed-stable"
    assert_never(channel)


def pinned_revision(asmcli_version: str) -> str:
    """Return the revision label that asmcli gives to an istiod of its version.

    1.31.3-asm.9+config1 becomes asm-1313-9, as in asmcli's function init.
    """
    version, _, build = asmcli_version.partition("-asm.")
    return f"asm-{version.replace('.', '')}-{build.partition('+')[0]}"
