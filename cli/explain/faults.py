"""Faults that a VirtualService injects.

Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/fault_filter
"""

from collections.abc import Iterator

from cli.explain.configured_by import IstioObject
from cli.explain.context import RequestContext
from cli.explain.proxy import Part
from cli.explain.repair import find_and_repair
from cli.report.findings import Finding, failure
from cli.sources.remediation import DEPLOY

FILTER = "envoy.filters.http.fault"
DENOMINATORS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}


def check_fault(context: RequestContext, route: Part, origin: IstioObject | None) -> Iterator[Finding]:
    """Yield a failure if a route injects faults."""
    settings = route.get("typed_per_filter_config", {}).get(FILTER, {})
    fault = settings.get("value", settings)
    words = []
    if (abort := fault.get("abort")) is not None:
        status = abort.get("http_status") or f"gRPC status {abort.get('grpc_status')}"
        words.append(f"{status} FI for {_percentage(abort)} % of the requests")
    if (delay := fault.get("delay")) is not None:
        words.append(f"a delay of {delay.get('fixed_delay', '?')} for {_percentage(delay)} % of the requests")
    if not words:
        return
    text = " and ".join(words)
    if origin is None:
        yield failure("fault", text, DEPLOY)
        return
    repair = find_and_repair(context.cluster, origin.resource, origin.namespace, origin.name)
    text = f"{text}; {origin}, spec.http[].fault{repair.how}"
    yield failure("fault", text, repair.command).about(str(origin), service=context.callee.name)


def _percentage(fault: Part) -> str:
    share = fault.get("percentage", {})
    return f"{100 * share.get('numerator', 0) / DENOMINATORS[share.get('denominator', 'HUNDRED')]:g}"
