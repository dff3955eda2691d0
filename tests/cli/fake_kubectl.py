"""Answers as kubectl does, from a file a cluster; run as a program, by `tests.cli.deployed_world`.

What the commands under test don't ask, it refuses; a token that comes in an argument would be in its log.
The file has ``objects``, ``tokens`` (that the cluster takes), and ``error`` (that it has in place of an answer).
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

Object = dict[str, Any]

KINDS = {
    "authorizationpolicies.security.istio.io": "AuthorizationPolicy",
    "configmaps": "ConfigMap",
    "controlplanerevisions.mesh.cloud.google.com": "ControlPlaneRevision",
    "customresourcedefinitions": "CustomResourceDefinition",
    "deployments.apps": "Deployment",
    "destinationrules.networking.istio.io": "DestinationRule",
    "events": "Event",
    "horizontalpodautoscalers.autoscaling": "HorizontalPodAutoscaler",
    "jobs.batch": "Job",
    "multiclusteringresses.networking.gke.io": "MultiClusterIngress",
    "multiclusterservices.networking.gke.io": "MultiClusterService",
    "mutatingwebhookconfigurations": "MutatingWebhookConfiguration",
    "namespace": "Namespace",
    "namespaces": "Namespace",
    "nodes": "Node",
    "peerauthentications.security.istio.io": "PeerAuthentication",
    "pods": "Pod",
    "secrets": "Secret",
}
OF_THE_CLUSTER = ("CustomResourceDefinition", "MutatingWebhookConfiguration", "Namespace", "Node")
VALUED = ("--context", "--filename", "--kubeconfig", "--namespace", "--output", "--selector")


def fail(text: str) -> NoReturn:
    print(text, file=sys.stderr)
    sys.exit(1)


def main(arguments: list[str]) -> None:
    folder = Path(os.environ["KUBECTL_WORLD"])
    with (folder / "calls").open("a", encoding="utf-8") as log:
        log.write(json.dumps(arguments) + "\n")
    options: dict[str, str] = {}
    words: list[str] = []
    rest = iter(arguments)
    for word in rest:
        if word in VALUED:
            options[word] = next(rest)
        elif word in ("--all-namespaces", "--ignore-not-found", "--no-headers"):
            options[word] = ""
        elif word.startswith("-"):
            fail(f"error: unknown flag: {word}")
        else:
            words.append(word)
    region = options.get("--context") or Path(options["--kubeconfig"]).stem
    world = json.loads((folder / f"{region}.json").read_text(encoding="utf-8"))
    if world.get("error"):
        fail(world["error"])
    if options.get("--output", "") != ("" if "--no-headers" in options else "json"):
        fail("error: the stand-in writes JSON, and a table of names")
    if words == ["create"] and options.get("--filename") == "-":
        print(json.dumps(review(json.load(sys.stdin), world)))
    elif words[0] == "get":
        get(words[1], words[2:], options, world)
    else:
        fail(f"error: the stand-in does not know {' '.join(words)}")


def review(question: Object, world: Object) -> Object:
    assert question["kind"] == "TokenReview"
    if question["spec"]["token"] in world["tokens"]:
        return {**question, "status": {"authenticated": True, "user": {"username": "istio-reader"}}}
    return {**question, "status": {"user": {}, "error": "invalid bearer token"}}


def get(kinds: str, names: list[str], options: dict[str, str], world: Object) -> None:
    wanted = []
    for kind in kinds.split(","):
        if kind not in KINDS or ("." in kind and not served(kind, world)):
            fail(f'error: the server doesn\'t have a resource type "{kind.partition(".")[0]}"')
        wanted.append(KINDS[kind])
    items = [one for one in world["objects"] if one["kind"] in wanted and fits(one, options)]
    if names:
        items = [one for one in items if one["metadata"]["name"] in names]
        missing = set(names) - {one["metadata"]["name"] for one in items}
        if missing and "--ignore-not-found" not in options:
            fail(f'Error from server (NotFound): {kinds} "{min(missing)}" not found')
        if not items:
            return
        if len(names) == 1:
            print(json.dumps(items[0]))
            return
    if "--no-headers" in options:
        print("\n".join(f"{one['metadata']['name']}   Opaque   1   5d" for one in items))
        return
    print(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def served(kind: str, world: Object) -> bool:
    built_in = kind.partition(".")[2] in ("apps", "autoscaling", "batch")
    return built_in or any(
        one["kind"] == "CustomResourceDefinition" and one["metadata"]["name"] == kind for one in world["objects"]
    )


def fits(item: Object, options: dict[str, str]) -> bool:
    metadata = item["metadata"]
    everywhere = item["kind"] in OF_THE_CLUSTER or "--all-namespaces" in options
    if not everywhere and metadata["namespace"] != options.get("--namespace", "default"):
        return False
    name, has_value, value = options.get("--selector", "").partition("=")
    labels = metadata.get("labels", {})
    return not name or (name in labels and (not has_value or labels[name] == value))


if __name__ == "__main__":
    main(sys.argv[1:])
