"""The one place that imports cdktf and the provider bindings.

Everything else says ``from bindings import ComputeNetwork``. A move to another
distribution of the same classes is then a change of this file alone.

Importing a bindings package runs its ``__init__``, which imports every one of
its submodules (about 1,470 for google: 10 to 14 s, measured with 16.12.1). A
package that is already in ``sys.modules`` is not initialised again, so a bare
module with the right ``__path__``, registered first, makes Python load only the
submodules named below. The classes and the synthesized JSON are the same.
"""

import importlib.util
import os
import sys
from importlib import import_module
from threading import Thread
from types import ModuleType

# jsii prints eleven lines about Node 20 being out of support, at every start and
# with nothing to do about them here: it has to be said before jsii is imported.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")


def _load_only_what_is_named(package: str) -> None:
    """Register ``package`` without running its ``__init__``.

    Does nothing when the package has been imported already.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    if package in sys.modules:
        return
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    module = ModuleType(package)
    module.__path__ = list(spec.submodule_search_locations)
    module.__spec__ = spec
    sys.modules[package] = module


for _package in (
    "cdktf_cdktf_provider_google",
    "cdktf_cdktf_provider_kubernetes",
    "cdktf_cdktf_provider_null",
):
    _load_only_what_is_named(_package)

# Reading an assembly is Node's work, for a second, and loading a module's classes is
# Python's: the kubernetes assembly is read while google's classes are loaded. Only
# one thread talks to Node at a time, as google's assembly is read before.
import_module("cdktf_cdktf_provider_google._jsii")
_reading = Thread(target=import_module, args=("cdktf_cdktf_provider_kubernetes._jsii",))
_reading.start()

from cdktf import (
    App,
    AssetType,
    CloudBackend,
    Fn,
    GcsBackend,
    ITerraformDependable,
    LocalBackend,
    LocalExecProvisioner,
    NamedCloudWorkspace,
    Postcondition,
    Precondition,
    TerraformAsset,
    TerraformIterator,
    TerraformLocal,
    TerraformOutput,
    TerraformResource,
    TerraformResourceLifecycle,
    TerraformStack,
    Testing,
    Token,
)
from cdktf_cdktf_provider_google.certificate_manager_certificate import (
    CertificateManagerCertificate,
    CertificateManagerCertificateManaged,
)
from cdktf_cdktf_provider_google.certificate_manager_certificate_map import CertificateManagerCertificateMap
from cdktf_cdktf_provider_google.certificate_manager_certificate_map_entry import CertificateManagerCertificateMapEntry
from cdktf_cdktf_provider_google.certificate_manager_dns_authorization import CertificateManagerDnsAuthorization
from cdktf_cdktf_provider_google.compute_firewall import ComputeFirewall, ComputeFirewallAllow, ComputeFirewallLogConfig
from cdktf_cdktf_provider_google.compute_global_address import ComputeGlobalAddress
from cdktf_cdktf_provider_google.compute_managed_ssl_certificate import (
    ComputeManagedSslCertificate,
    ComputeManagedSslCertificateManaged,
)
from cdktf_cdktf_provider_google.compute_network import ComputeNetwork
from cdktf_cdktf_provider_google.compute_router import ComputeRouter
from cdktf_cdktf_provider_google.compute_router_nat import (
    ComputeRouterNat,
    ComputeRouterNatLogConfig,
    ComputeRouterNatSubnetwork,
)
from cdktf_cdktf_provider_google.compute_ssl_policy import ComputeSslPolicy
from cdktf_cdktf_provider_google.compute_subnetwork import (
    ComputeSubnetwork,
    ComputeSubnetworkLogConfig,
    ComputeSubnetworkSecondaryIpRange,
)
from cdktf_cdktf_provider_google.container_cluster import (
    ContainerCluster,
    ContainerClusterBinaryAuthorization,
    ContainerClusterControlPlaneEndpointsConfig,
    ContainerClusterControlPlaneEndpointsConfigDnsEndpointConfig,
    ContainerClusterDatabaseEncryption,
    ContainerClusterFleet,
    ContainerClusterGatewayApiConfig,
    ContainerClusterIpAllocationPolicy,
    ContainerClusterLoggingConfig,
    ContainerClusterMaintenancePolicy,
    ContainerClusterMaintenancePolicyRecurringWindow,
    ContainerClusterMasterAuth,
    ContainerClusterMasterAuthClientCertificateConfig,
    ContainerClusterMasterAuthorizedNetworksConfig,
    ContainerClusterMasterAuthorizedNetworksConfigCidrBlocks,
    ContainerClusterMonitoringConfig,
    ContainerClusterMonitoringConfigManagedPrometheus,
    ContainerClusterNetworkPolicy,
    ContainerClusterNodeConfig,
    ContainerClusterNodeConfigKubeletConfig,
    ContainerClusterNodeConfigShieldedInstanceConfig,
    ContainerClusterNodeConfigWorkloadMetadataConfig,
    ContainerClusterNodePoolDefaults,
    ContainerClusterNodePoolDefaultsNodeConfigDefaults,
    ContainerClusterPrivateClusterConfig,
    ContainerClusterPrivateClusterConfigMasterGlobalAccessConfig,
    ContainerClusterReleaseChannel,
    ContainerClusterSecretManagerConfig,
    ContainerClusterSecurityPostureConfig,
    ContainerClusterWorkloadIdentityConfig,
)
from cdktf_cdktf_provider_google.container_node_pool import (
    ContainerNodePool,
    ContainerNodePoolAutoscaling,
    ContainerNodePoolManagement,
    ContainerNodePoolNodeConfig,
    ContainerNodePoolNodeConfigKubeletConfig,
    ContainerNodePoolNodeConfigShieldedInstanceConfig,
    ContainerNodePoolNodeConfigWorkloadMetadataConfig,
    ContainerNodePoolUpgradeSettings,
)
from cdktf_cdktf_provider_google.data_google_project import DataGoogleProject
from cdktf_cdktf_provider_google.gke_hub_feature import (
    GkeHubFeature,
    GkeHubFeatureSpec,
    GkeHubFeatureSpecMulticlusteringress,
)
from cdktf_cdktf_provider_google.gke_hub_feature_membership import GkeHubFeatureMembership, GkeHubFeatureMembershipMesh
from cdktf_cdktf_provider_google.project_iam_member import ProjectIamMember
from cdktf_cdktf_provider_google.project_service import ProjectService
from cdktf_cdktf_provider_google.provider import GoogleProvider, GoogleProviderBatching
from cdktf_cdktf_provider_google.service_account import ServiceAccount
from cdktf_cdktf_provider_google.service_account_iam_member import ServiceAccountIamMember

_reading.join()

from cdktf_cdktf_provider_kubernetes.config_map_v1_data import ConfigMapV1Data, ConfigMapV1DataMetadata
from cdktf_cdktf_provider_kubernetes.labels import Labels, LabelsMetadata
from cdktf_cdktf_provider_kubernetes.provider import KubernetesProvider, KubernetesProviderExec
from cdktf_cdktf_provider_null.provider import NullProvider
from cdktf_cdktf_provider_null.resource import Resource as NullResource
from jsii import implements
