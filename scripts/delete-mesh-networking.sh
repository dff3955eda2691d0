#!/usr/bin/env bash
# Deletes the orphaned resources of a mesh with the implementation TRAFFIC_DIRECTOR in one region of a network.
#
# Inputs, as environment variables, in addition to those of lib.sh:
#   VPC       name of the network
#   LOCATION  region
#   CLUSTER   name of the region's cluster, which no longer exists
#
# Its endpoint groups, gsmrsvd-…, and its firewall rules, gke-CLUSTER-…-mcsd, can outlive the
# cluster. Google then rejects the deletion of the subnet and the network.
# Source: https://cloud.google.com/service-mesh/docs/troubleshooting/troubleshoot-cleanup

# Exit if the library is missing.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${VPC:?}" "${LOCATION:?}" "${CLUSTER:?}"

require_tools gcloud
make_workspace

# GKE shortens long cluster names in the names of its rules.
readonly RULES="gke-${CLUSTER:0:20}.*-mcsd"

# list ARGUMENTS...: writes a list from gcloud. It may be incomplete although gcloud exits with 0.
list() {
  if ! gcloud compute "$@" --project "$PROJECT" >"$WORK/found" 2>"$WORK/errors" ||
    grep -q "Some requests did not succeed" "$WORK/errors"; then
    cat "$WORK/errors" >&2
    die "could not list orphaned resources of the mesh in $LOCATION; the lines above show the reason." \
      "Run the same command again"
  fi
}

delete() {
  say "deleting $3 ($1), orphaned by the mesh"
  gcloud compute "$@" --project "$PROJECT" --quiet ||
    die "could not delete $3 ($1); the lines above show the reason. Run the same command again"
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
say "the mesh has no orphaned resources in $LOCATION"
