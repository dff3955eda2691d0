#!/usr/bin/env bash
# Waits until a controller of the fleet has deleted the resources of its load balancer.
#
# Inputs, as environment variables, in addition to those of lib.sh:
#   VPC           name of the network
#   CONTROLLER    mci for Multi Cluster Ingress, the default; gkemcg1 for multi-cluster Gateway
#   WAIT_SECONDS  timeout in seconds; 1200 by default
#
# Runs after the ingress objects are deleted. Until their load balancer is deleted, the
# fleet's feature can't be disabled, and orphaned endpoint groups and firewall rules
# block the deletion of the network.
#
# Other teams of the project may have load balancers of the same controller, too. Ours is
# the one whose chain of forwarding rule, target proxy, URL map, backend service and endpoint
# group ends on our network. Resources that were part of it are remembered, because the chain
# may be broken while it is deleted.
#
# The endpoint groups of multi-cluster Gateway are those of the exported Service, which is
# deleted later.

# Exit if the library is missing.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${VPC:?}"
readonly CONTROLLER="${CONTROLLER:-mci}"
readonly WAIT_SECONDS="${WAIT_SECONDS:-1200}"

require_tools gcloud jq
make_workspace

# The Service of the gateways.
readonly NAMESPACE=istio-gateway SERVICE=istio-ingressgateway

readonly KINDS=(forwarding-rules target-http-proxies target-https-proxies url-maps backend-services health-checks
  firewall-rules network-endpoint-groups)

# For most kinds of resources, gcloud only warns about an incomplete list, and exits with 0.
readonly INCOMPLETE="Some requests did not succeed"

# list KIND: writes the resources of a kind that may be ours, as JSON; sets known=0 if the list is incomplete.
list() {
  local flags=(--global --filter "name~^$CONTROLLER-")
  case "$1" in
    firewall-rules) flags=(--filter "name~^$CONTROLLER- AND network~/$VPC\$") ;;
    network-endpoint-groups) flags=(--filter "name~^k8s1- AND network~/$VPC\$") ;;
  esac
  gcloud compute "$1" list --project "$PROJECT" "${flags[@]}" --format json >"$WORK/$1.json" 2>"$WORK/errors" || {
    cat "$WORK/errors" >&2
    die "could not list the load balancer's resources; the lines above show the reason. Run the same command again"
  }
  if grep -q "$INCOMPLETE" "$WORK/errors"; then
    cp "$WORK/errors" "$WORK/incomplete"
    known=0
  fi
}

# Prints a line KIND: NAME for each remaining resource. Input: the remembered lines, and an object of lists by kind.
# shellcheck disable=SC2016  # the dollars are jq's
readonly OURS='
  def path: sub("^.*/projects/"; "");
  def is_group: contains("/networkEndpointGroups/");
  # Of a Service that is derived by Multi Cluster Ingress, or of the exported one; others have endpoint groups, too.
  def is_backend:
    if $controller == "mci" then .name | contains("-mci-")
    else .description // "" | fromjson? | .namespace == $namespace and ."service-name" == $service end;
  [to_entries[] | .key as $kind | .value[]
  | select($kind != "network-endpoint-groups" or ([is_backend] | any)) | {
    line: "\($kind): \(.name)", path: (.selfLink | path),
    # What all resources of a load balancer of Multi Cluster Ingress have in common.
    hash: ((.name | select(startswith("mci-")) | split("-")[1]) // null),
    # A forwarding rule inside a network.
    ours: (.network // "" | endswith("/global/networks/\($vpc)")),
    refers: [del(.selfLink) | .. | strings | select(contains("/projects/")) | path]
  }] as $parts
  | ($parts | map({(.path): .refers}) | add // {}) as $graph
  | def reached: ., (($graph[.] // [])[] | reached);
  [$parts[] | . + {reached: [.path | reached]}] as $parts
  | [$parts[] | select(.path | is_group) | .path] as $groups
  # The endpoint groups at the end of the chains that a resource is part of.
  | [$parts[] | .path as $path | . + {
      groups: [$parts[] | select(.reached | index($path)) | .reached[] | select(is_group)]
    }] as $parts
  | [$parts[] | select((.groups - (.groups - $groups) != []) or (.line | startswith("firewall-rules: ")))] as $sure
  | ($sure | map(.hash // empty)) as $hashes
  | $parts[] | .line as $line | .hash as $hash
  | select(
      ($sure | any(.line == $line))
      or (.groups == [] and (.ours or ($hashes | index($hash)) or ($remembered | index($line))))
    )
  | select($controller == "mci" or (.path | is_group | not))
  | $line'

# Writes the lines of the remaining resources, and sets known.
find_left() {
  known=1
  for kind in "${KINDS[@]}"; do
    list "$kind"
  done
  for kind in "${KINDS[@]}"; do
    jq --arg kind "$kind" '{($kind): .}' "$WORK/$kind.json"
  done | jq -s 'add // {}' >"$WORK/all.json"
  touch "$WORK/left"
  jq -r --rawfile before "$WORK/left" --arg vpc "$VPC" --arg controller "$CONTROLLER" --arg namespace "$NAMESPACE" --arg service "$SERVICE" \
    '($before | split("\n")) as $remembered | '"$OURS" "$WORK/all.json" >"$WORK/now" ||
    die "could not read the lists of the load balancer's resources; the lines above show the reason"
  cp "$WORK/now" "$WORK/left"
}

give_up() {
  if [[ "$known" -eq 0 ]]; then
    cat "$WORK/incomplete" >&2
    die "after $WAIT_SECONDS s the load balancer's remaining resources are unknown; the lines above show the reason." \
      "Run the same command again"
  fi
  cat "$WORK/left" >&2
  die "after $WAIT_SECONDS s the load balancer still has the resources above. Delete them and run the same command again"
}

# The objects are deleted, so that no resource is created again.
while find_left && [[ "$known" -eq 0 || -s "$WORK/left" ]]; do
  if [[ "$known" -eq 0 ]]; then
    say "a list of the load balancer's resources is incomplete; trying again"
  else
    say "waiting for the deletion of the load balancer; remaining resources: $(grep -c . "$WORK/left")"
  fi
  if ((SECONDS - STARTED > WAIT_SECONDS)); then
    give_up
  fi
  sleep 5
done
say "the load balancer's resources are deleted"
