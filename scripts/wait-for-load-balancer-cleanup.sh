#!/usr/bin/env bash
# Waits until the cloud resources of Multi Cluster Ingress are deleted.
#
# Inputs, as environment variables, besides those of lib.sh:
#   VPC           name of the network
#   WAIT_SECONDS  limit of the wait; 1200 by default
#
# Runs after the ingress objects are deleted. Until their load balancer is deleted, the
# fleet's feature can't be disabled, and orphaned endpoint groups and firewall rules
# block the deletion of the network.

# Without the library nothing may run.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${VPC:?}"
readonly WAIT_SECONDS="${WAIT_SECONDS:-1200}"

require_tools gcloud
make_workspace

readonly KINDS=(forwarding-rules target-http-proxies target-https-proxies url-maps backend-services health-checks
  firewall-rules network-endpoint-groups)

# For most kinds gcloud only warns if a list is incomplete, and exits with 0.
readonly INCOMPLETE="Some requests did not succeed"

# list KIND: writes the names of the remaining resources of a kind, and sets known.
list() {
  local flags=(--global --filter 'name~^mci-')
  case "$1" in
    firewall-rules) flags=(--filter "name~^mci- AND network~/$VPC\$") ;;
    network-endpoint-groups) flags=(--filter "name~-mci- AND network~/$VPC\$") ;;
  esac
  gcloud compute "$1" list --project "$PROJECT" "${flags[@]}" --format "value(name)" \
    >"$WORK/left" 2>"$WORK/errors" || {
    cat "$WORK/errors" >&2
    die "could not list the load balancer's resources; the lines above show the reason"
  }
  known=1
  if grep -q "$INCOMPLETE" "$WORK/errors"; then
    known=0
  fi
}

give_up() {
  if [[ "$known" -eq 0 ]]; then
    cat "$WORK/errors" >&2
    die "after $WAIT_SECONDS s the remaining resources of the load balancer are not known; the lines above show the reason"
  fi
  for kind in "${KINDS[@]}"; do
    list "$kind"
    while read -r name; do
      printf '%s: %s\n' "$kind" "$name" >&2
    done <"$WORK/left"
  done
  die "after $WAIT_SECONDS s the load balancer still has the resources above; delete them and run the same command again"
}

# One kind after the other: once its objects are deleted, no resource is recreated.
for kind in "${KINDS[@]}"; do
  while list "$kind" && [[ "$known" -eq 0 || -s "$WORK/left" ]]; do
    if [[ "$known" -eq 0 ]]; then
      say "the list of $kind is incomplete; trying again"
    else
      say "waiting for the deletion of $(grep -c . "$WORK/left") $kind of the load balancer"
    fi
    if ((SECONDS - STARTED > WAIT_SECONDS)); then
      give_up
    fi
    sleep 5
  done
done
say "the load balancer's resources are deleted"
