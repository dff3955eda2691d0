"""What has to get through between clusters, and from control planes to nodes."""

from collections.abc import Sequence

from config.environment import ResolvedRegion
from config.network import FIREWALL_PRIORITY
from constructs import Construct
from constructs.bindings import ComputeFirewall, ComputeFirewallAllow, ComputeFirewallLogConfig


class MeshFirewall(Construct):
    """The firewall rules of the mesh, computed from all regions, the retired ones too.

    A retired region's pods run until its cluster is deleted.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        pods_rule_name: str,
        proxies_rule_name: str,
        regions: Sequence[ResolvedRegion],
        vpc: str,
        logs: bool,
        webhook_ports: Sequence[str],
        pod_protocols: Sequence[str],
    ) -> None:
        """Add the rules.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            pods_rule_name: name of the rule between clusters.
            proxies_rule_name: name of the rule for the internal load balancer, if the regions have ranges for one.
            regions: all regions, the retired ones too.
            vpc: self link of the network.
            logs: log the connections that the rules admit.
            webhook_ports: TCP ports of a sidecar injector on the nodes; GKE's own rule has 443 and 10250. Empty for
                no rule.
            pod_protocols: protocols that pods of one cluster may send to pods of another.
        """
        super().__init__(scope, id_)
        log_config = ComputeFirewallLogConfig(metadata="INCLUDE_ALL_METADATA") if logs else None
        ComputeFirewall(
            self,
            "pods",
            name=pods_rule_name,
            description="Pods of every cluster reach pods of every other one, as a service may answer from any region; "
            "GKE's own rule ends at its cluster.",
            network=vpc,
            direction="INGRESS",
            priority=FIREWALL_PRIORITY,
            source_ranges=sorted(str(region.ranges.pods) for region in regions),
            target_tags=sorted(region.names.node_tag for region in regions),
            allow=[ComputeFirewallAllow(protocol=protocol) for protocol in pod_protocols],
            log_config=log_config,
        )
        for region in regions if webhook_ports else ():
            ComputeFirewall(
                self,
                f"control-plane-{region.key}",
                name=region.names.webhook_firewall,
                description=f"The control plane of {region.names.cluster} has sidecars injected by the webhook of an "
                "istiod on its nodes; GKE's own rule has 443 and 10250 only.",
                network=vpc,
                direction="INGRESS",
                priority=FIREWALL_PRIORITY,
                source_ranges=[str(region.ranges.control_plane)],
                target_tags=[region.names.node_tag],
                allow=[ComputeFirewallAllow(protocol="tcp", ports=list(webhook_ports))],
                log_config=log_config,
            )
        proxies = [str(region.proxies) for region in regions if region.proxies is not None]
        if proxies:
            ComputeFirewall(
                self,
                "internal-load-balancer",
                name=proxies_rule_name,
                description="The proxies of the internal load balancer reach the gateways of every cluster. Health "
                "checks come from Google's own ranges, which a rule of the load balancer's controller has.",
                network=vpc,
                direction="INGRESS",
                priority=FIREWALL_PRIORITY,
                source_ranges=sorted(proxies),
                target_tags=sorted(region.names.node_tag for region in regions),
                allow=[ComputeFirewallAllow(protocol="tcp", ports=["80", "15021"])],
                log_config=log_config,
            )
