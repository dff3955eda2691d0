"""Tests of what the rehearsal of the migration reports; the rehearsal itself is `make rehearse MIGRATION=1`."""

import pytest

from tests.local_mesh.traffic import DemoResponse
from tests.rehearsal.migration import failures, left_of_gateway

LEFT = (
    "+ cloud projects/p/global/firewalls/gkemcg1-l7-vpc-global",
    "+ cloud projects/p/global/backendServices/gkemcs-istio-gateway-istio-ingressgateway-tcp-80",
    "+ cloud projects/p/locations/global/features/multiclusterservicediscovery",
    "+ cloud grant roles/compute.networkViewer principal://iam.googleapis.com/projects/1/subject/ns/gke-mcs/sa/gke-mcs-importer",
    "+ tokyo Gateway istio-gateway/external",
    "+ osaka ServiceExport istio-gateway/istio-ingressgateway",
)
OTHERS = (
    "+ tokyo CustomResourceDefinition gateways.gateway.networking.k8s.io",
    "+ osaka MultiClusterIngress istio-gateway/istio-ingressgateway",
    "+ cloud projects/p/services/multiclusterservicediscovery.googleapis.com",
    "- tokyo BackendConfig istio-gateway/ingress-backendconfig",
    "+ tokyo AuthorizationPolicy istio-gateway/istio-ingressgateway",
    "~ cloud projects/p/locations/global/features/multiclusteringress: .spec was tokyo, is osaka",
)


@pytest.mark.parametrize("line", LEFT)
def test_what_is_left_of_gateway_is_seen(line: str) -> None:
    assert left_of_gateway([*OTHERS, line]) == [line]


def test_the_kinds_of_its_api_stay() -> None:
    assert left_of_gateway(OTHERS) == []


def test_failed_requests_are_described_by_their_way() -> None:
    responses = [DemoResponse(0, 5.02, 0, ""), DemoResponse(0, 0.1, 503, ""), DemoResponse(0, 4, 0, "")]
    assert failures([*responses, DemoResponse(0, 0.1, 200, "")]) == [
        "1 with 503, after 0.1 s at most",
        "2 with no response, after 5.0 s at most",
    ]
