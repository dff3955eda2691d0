#!/usr/bin/env bash
# Deletes what a mesh of the implementation TRAFFIC_DIRECTOR leaves in one region of a network.
#
# Inputs, as environment variables, besides those of lib.sh:
#   VPC       name of the network
#   LOCATION  the region
#   CLUSTER   name of the region's cluster, which no longer exists
#
# Its endpoint groups, gsmrsvd-…, and its firewall rules, gke-CLUSTER-…-mcsd, can outlive the
# cluster. Then Google refuses to delete the subnet and the network.
# Source: https://cloud.google.com/service-mesh/docs/troubleshooting/troubleshoot-cleanup

# Without the library nothing may run.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${VPC:?}" "${LOCATION:?}" "${CLUSTER:?}"

require_tools gcloud
make_workspace

# GKE shortens the names of long clusters in the names of its rules.
readonly RULES="gke-${CLUSTER:0:20}.*-mcsd"

# list ARGUMENTS...: writes a list of gcloud's. A list may be incomplete although gcloud exits with 0.
list() {
  if ! gcloud compute "$@" --project "$PROJECT" >"$WORK/found" 2>"$WORK/errors" ||
    grep -q "Some requests did not succeed" "$WORK/errors"; then
    cat "$WORK/errors" >&2
    die "could not list what the mesh has left in $LOCATION; the lines above show the reason. Run the same command again"
  fi
}

delete() {
  say "deleting $1 $3, which the mesh has left"
  gcloud compute "$@" --project "$PROJECT" --quiet || die "could not delete $3; the lines above show the reason"
}

list network-endpoint-groups list --filter "name~^gsmrsvd AND network~/$VPC\$" --format "value(name,zone.basename())"
cp "$WORK/found" "$WORK/groups"
while read -r name zone; do
  if [[ "$zone" == "$LOCATION"-* ]]; then
    delete network-endpoint-groups delete "$name" --zone "$zone" </dev/null
  fi
done <"$WORK/groups"

list firewall-rules list --filter "name~^$RULES\$ AND network~/$VPC\$" --format "value(name)"
cp "$WORK/found" "$WORK/rules"
while read -r name; do
  delete firewall-rules delete "$name" </dev/null
done <"$WORK/rules"
say "the mesh has left nothing in $LOCATION"
