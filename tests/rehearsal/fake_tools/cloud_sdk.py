"""Fakes of gcloud and gke-gcloud-auth-plugin, for tests.

They support the commands of the scripts, and refuse all others with status 2. They read a service
account's key from a file, and the addresses of the cloud from CLOUDSDK_API_ENDPOINT_OVERRIDES_*.
Unlike the real programs they keep no tokens, and write to no configuration or log.
"""

import argparse
import http.client
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from google.auth import exceptions
from google.oauth2 import service_account

GLOBAL = {
    "backend-services": "backendServices",
    "forwarding-rules": "forwardingRules",
    "health-checks": "healthChecks",
    "target-http-proxies": "targetHttpProxies",
    "target-https-proxies": "targetHttpsProxies",
    "url-maps": "urlMaps",
}
"""Kinds that are listed with --global, each with its collection in the API."""

AGGREGATED = "aggregated/"

OTHERS = {
    "firewall-rules": "global/firewalls",
    "network-endpoint-groups": f"{AGGREGATED}networkEndpointGroups",
}
"""Kinds that are listed without it."""

AGGREGATED_QUERY = "?includeAllScopes=True&maxResults=500&returnPartialSuccess=True"
"""The query with which gcloud 528.0.0 lists the resources of all places."""

NAMES, NAMES_AND_ZONES = "value(name)", "value(name,zone.basename())"
"""What a list prints of each resource."""

FILTER = re.compile(r"name~(\S+)(?: AND network~(\S+))?")
SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
PLUGIN_API = "client.authentication.k8s.io/v1beta1"
HINT = (
    "Install gke-gcloud-auth-plugin for use with kubectl by following "
    "https://cloud.google.com/kubernetes-engine/docs/how-to/cluster-access-for-kubectl#install_plugin"
)

NO_ANSWER = (OSError, http.client.HTTPException)
PATIENT = 6
PAUSE = 1.0
"""Number of calls to a busy GKE API, and seconds between them. The real gcloud backs off exponentially."""

_read_key: Callable[..., Any] = service_account.Credentials.from_service_account_file  # without types in its package


class FailedError(Exception):
    """A command failed; the message has the reason."""


class ResponseError(FailedError):
    """An API returned an error.

    Attributes:
        message: of the API.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"ResponseError: code={status}, message={message}")
        self.message = message


class RefusedError(Exception):
    """The fake does not support this; the real one may."""


class Response(NamedTuple):
    """A response, as google-auth reads it."""

    status: int
    headers: Mapping[str, str]
    data: bytes


def send_request(
    url: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    **_: object,
) -> Response:
    """Send a request for google-auth, whose own transports need other packages."""
    request = urllib.request.Request(url, data=body, headers=dict(headers or {}), method=method)
    try:
        with _opener.open(request, timeout=timeout or 60) as response:
            return Response(response.status, dict(response.headers), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Response(error.code, dict(error.headers), error.read())


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main(arguments: Sequence[str]) -> int:
    """Run a program, and return its exit status.

    Args:
        arguments: the program's name, and its arguments.
    """
    program, *rest = arguments
    try:
        if os.environ.get("CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT"):
            raise RefusedError("it can't act as another account")
        if program == "gcloud":
            return _gcloud(rest)
        return _plugin(rest)
    except RefusedError as error:
        print(f"{program}: this is a fake for tests, and {error}", file=sys.stderr)
        return 2
    except (FailedError, exceptions.GoogleAuthError, *NO_ANSWER) as error:
        print(f"ERROR: ({program}) {error}", file=sys.stderr)
        return 1


def _gcloud(arguments: Sequence[str]) -> int:
    parser = _parser("gcloud")
    groups = parser.add_subparsers(required=True)
    clusters = _command(_group(_group(groups, "container"), "clusters"), "get-credentials", _get_credentials)
    clusters.add_argument("name")
    clusters.add_argument("--location", required=True)
    clusters.add_argument("--project", required=True)
    clusters.add_argument("--quiet", action="store_true")
    endpoint = clusters.add_mutually_exclusive_group()
    endpoint.add_argument("--internal-ip", action="store_true")
    endpoint.add_argument("--dns-endpoint", action="store_true")
    compute = _group(groups, "compute")
    for kind in (*GLOBAL, *OTHERS):
        group = _group(compute, kind)
        lists = _command(group, "list", _list)
        lists.set_defaults(kind=kind)
        if kind in GLOBAL:
            lists.add_argument("--global", action="store_true", required=True)
        lists.add_argument("--project", required=True)
        lists.add_argument("--filter", required=True)
        lists.add_argument("--format", required=True, choices=["json", NAMES, NAMES_AND_ZONES])
        if kind in OTHERS:
            deletion = _command(group, "delete", _delete)
            deletion.set_defaults(kind=kind)
            deletion.add_argument("name")
            deletion.add_argument("--project", required=True)
            deletion.add_argument("--quiet", action="store_true", required=True)
            if kind == "network-endpoint-groups":
                deletion.add_argument("--zone", required=True)
    _command(_group(groups, "auth"), "print-access-token", _print_token)
    helper = _command(_group(groups, "config"), "config-helper", _config_helper)
    helper.add_argument("--format", required=True, choices=["json"])
    given = parser.parse_args(arguments)
    given.run(given)
    return 0


def _plugin(arguments: Sequence[str]) -> int:
    parser = _parser("gke-gcloud-auth-plugin")
    parser.add_argument("--use_application_default_credentials", action="store_true")
    default = parser.parse_args(arguments).use_application_default_credentials
    variable = "GOOGLE_APPLICATION_CREDENTIALS" if default else "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"
    token, expiry = _token(variable)
    status = {"expirationTimestamp": expiry, "token": token}
    credential = {"kind": "ExecCredential", "apiVersion": PLUGIN_API, "spec": {"interactive": False}, "status": status}
    print(json.dumps(credential, indent=4))
    return 0


def _parser(program: str) -> argparse.ArgumentParser:
    """Return a parser, which exits with 2 at an unknown argument."""
    return argparse.ArgumentParser(program, description="A fake for tests.", allow_abbrev=False)


def _group(groups: Any, name: str) -> Any:
    return groups.add_parser(name, allow_abbrev=False).add_subparsers(required=True)


def _command(group: Any, name: str, run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = group.add_parser(name, allow_abbrev=False)
    command.set_defaults(run=run)
    return command


def _get_credentials(given: argparse.Namespace) -> None:
    file = os.environ.get("KUBECONFIG", "")
    if not file or Path(file).exists():
        raise RefusedError("KUBECONFIG has to name a file that is not there yet")
    print("Fetching cluster endpoint and auth data.", file=sys.stderr)
    path = f"v1/projects/{given.project}/locations/{given.location}/clusters/{given.name}"
    name = f"gke_{given.project}_{given.location}_{given.name}"
    cluster = {"name": name, "cluster": _server(given, _get("CONTAINER", path, PATIENT))}
    plugin = {
        "apiVersion": PLUGIN_API,
        "command": "gke-gcloud-auth-plugin",
        "installHint": HINT,
        "provideClusterInfo": True,
    }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "clusters": [cluster],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
        "users": [{"name": name, "user": {"exec": plugin}}],
    }
    Path(file).touch(mode=0o600)
    Path(file).write_text(yaml.safe_dump(content), encoding="utf-8")
    print(f"kubeconfig entry generated for {given.name}.", file=sys.stderr)


def _server(given: argparse.Namespace, cluster: Mapping[str, Any]) -> dict[str, str]:
    """Return the server of a cluster's kubeconfig, and its CA."""
    if given.dns_endpoint:
        dns = cluster["controlPlaneEndpointsConfig"]["dnsEndpointConfig"]
        if not dns.get("allowExternalTraffic"):
            field = "controlPlaneEndpointsConfig.dnsEndpointConfig.allowExternalTraffic"
            raise FailedError(f"{field} is disabled for cluster {given.name}.")
        return {"server": f"https://{dns['endpoint']}"}
    address = cluster["privateClusterConfig"].get("privateEndpoint") if given.internal_ip else cluster.get("endpoint")
    if not address:
        raise FailedError(f"cluster {given.name} is missing endpoint. Is it still PROVISIONING?")
    return {
        "certificate-authority-data": cluster["masterAuth"]["clusterCaCertificate"],
        "server": f"https://{address}",
    }


def _list(given: argparse.Namespace) -> None:
    patterns = FILTER.fullmatch(given.filter)
    if patterns is None:
        raise RefusedError(f"it does not support the filter {given.filter}")
    collection = OTHERS.get(given.kind) or f"global/{GLOBAL[given.kind]}"
    try:
        query = AGGREGATED_QUERY if collection.startswith(AGGREGATED) else ""
        answer = _get("COMPUTE", f"projects/{given.project}/{collection}{query}")
    except ResponseError as error:
        if given.kind == "firewall-rules":
            raise FailedError(f"Some requests did not succeed:\n - {error.message}") from error
        # The real gcloud shows the results of its other requests, which are none here, and succeeds.
        print(f"WARNING: Some requests did not succeed.\n - {error.message}\n", file=sys.stderr)
        print("[]")
        return
    found = answer.get("items", [])
    if isinstance(found, dict):  # by location
        # A location without any has a warning beside its lists.
        found = [
            one for location in found.values() for key, ones in location.items() if key != "warning" for one in ones
        ]
    matching = [
        one
        for one in found
        if re.search(patterns[1], one["name"]) and re.search(patterns[2] or "", one.get("network", ""))
    ]
    if given.format == "json":
        print(json.dumps(matching, indent=2))
        return
    for one in matching:
        zone = one.get("zone", "").rpartition("/")[2]
        print(one["name"] if given.format == NAMES else f"{one['name']}\t{zone}")


def _delete(given: argparse.Namespace) -> None:
    scope = f"zones/{given.zone}" if given.kind == "network-endpoint-groups" else "global"
    collection = OTHERS[given.kind].rpartition("/")[2]
    operation = _get("COMPUTE", f"projects/{given.project}/{scope}/{collection}/{given.name}", method="DELETE")
    while operation["status"] != "DONE":
        time.sleep(PAUSE)
        operation = _get("COMPUTE", f"projects/{given.project}/{scope}/operations/{operation['name']}")
    if "error" in operation:
        raise FailedError(str(operation["error"]))


def _print_token(given: argparse.Namespace) -> None:
    print(_token("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE")[0])


def _config_helper(given: argparse.Namespace) -> None:
    """Print a token for the real plugin, where only gcloud is fake."""
    token, expiry = _token("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE")
    print(json.dumps({"credential": {"access_token": token, "token_expiry": expiry}}, indent=2))


def _get(api: str, path: str, attempts: int = 1, method: str = "GET") -> dict[str, Any]:
    """Return the response of an API.

    Args:
        api: name of the API in the variable of its address.
        path: of the request.
        attempts: number of attempts while the API is busy.
        method: of the request.

    Raises:
        ResponseError: it is an error.
    """
    base = os.environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}")
    if not base:
        raise RefusedError(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api} has to say where the cloud is")
    token, _ = _token("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE")
    for attempt in range(1, attempts + 1):
        try:
            response = send_request(f"{base}{path}", method, headers={"Authorization": f"Bearer {token}"})
        except NO_ANSWER:
            if attempt == attempts:
                raise
        else:
            if response.status != 429 or attempt == attempts:
                break
        time.sleep(PAUSE)
    answer: dict[str, Any] = json.loads(response.data)
    if response.status != 200:
        raise ResponseError(response.status, answer["error"]["message"])
    return answer


def _token(variable: str) -> tuple[str, str]:
    """Return a new access token and its time of expiry.

    Args:
        variable: environment variable that names the file of the key.
    """
    file = os.environ.get(variable)
    if not file:
        raise RefusedError(f"{variable} has to name a service account's key")
    key = _read_key(file, scopes=SCOPES)
    key.refresh(send_request)
    return key.token, f"{key.expiry.isoformat(timespec='seconds')}Z"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
