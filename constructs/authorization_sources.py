"""Authorized callers, as an AuthorizationPolicy has them."""

from collections.abc import Sequence
from typing import Any

from config.authorization import WHOLE_NAMESPACE, Caller


def authorization_sources(callers: Sequence[Caller]) -> list[dict[str, Any]]:
    """Return callers as the sources of an AuthorizationPolicy.

    The star stands for the trust domain: PROJECT.svc.id.goog where Google runs the
    mesh's CA, cluster.local in a mesh of one's own. The mesh has a single CA, so there
    is no other trust domain.
    """
    principals = [f"*/ns/{one.namespace}/sa/{one.account}" for one in callers if one.account != WHOLE_NAMESPACE]
    namespaces = [one.namespace for one in callers if one.account == WHOLE_NAMESPACE]
    return [
        {"source": {key: names}} for key, names in (("principals", principals), ("namespaces", namespaces)) if names
    ]
