#!/usr/bin/env bash
# Creates the remote secret by which one cluster's control plane watches another cluster.
#
# Inputs, as environment variables, besides those of lib.sh:
#   HOLDER_CLUSTER                       the cluster that gets the secret
#   REMOTE_CLUSTER                       the cluster that it watches
#   HOLDER_KUBECONFIG REMOTE_KUBECONFIG  contents of kubeconfigs that reach them
#   REMOTE_NAME                          the watched cluster's name in the mesh
#   REMOTE_SERVER                        URL of its private endpoint
#   INPUTS                               checksum of the inputs, which the secret is annotated with
#
# The secret holds a token that does not expire. It is piped from istioctl to kubectl
# and appears in no file, argument, log or state. Server-side apply does not copy it
# into an annotation either. Running the script again converges.

# Without the library nothing may run.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${HOLDER_CLUSTER:?}" "${HOLDER_KUBECONFIG:?}" "${REMOTE_CLUSTER:?}" "${REMOTE_KUBECONFIG:?}"
: "${REMOTE_NAME:?}" "${REMOTE_SERVER:?}" "${INPUTS:?}"

# istioctl accepts an empty host too, with a secret that works nowhere.
if [[ "$REMOTE_SERVER" != https://?* ]]; then
  die "the private endpoint of $REMOTE_CLUSTER is not known: REMOTE_SERVER is $REMOTE_SERVER; nothing was done"
fi
require_tools gcloud gke-gcloud-auth-plugin istioctl kubectl
make_workspace
printf '%s\n' "$HOLDER_KUBECONFIG" >"$WORK/holder"
printf '%s\n' "$REMOTE_KUBECONFIG" >"$WORK/remote"

create() {
  istioctl create-remote-secret \
    --kubeconfig "$WORK/remote" \
    --name "$REMOTE_NAME" \
    --server "$REMOTE_SERVER" |
    kubectl annotate --local --filename - "$MARKER_NAME/inputs=$INPUTS" --output yaml |
    kubectl --kubeconfig "$WORK/holder" apply --server-side --force-conflicts \
      --field-manager multi-region-mesh --filename -
}

# Several runs for the same remote cluster create its service account's token at the same
# time: only the first succeeds, and the others find that token on the next attempt.
attempt=1
until create 2>"$WORK/errors"; do
  if [[ "$attempt" -ge 5 ]] || ! grep -q 'already exists' "$WORK/errors"; then
    cat "$WORK/errors" >&2
    die "could not create the remote secret for $REMOTE_CLUSTER in $HOLDER_CLUSTER; the lines above show the reason"
  fi
  attempt=$((attempt + 1))
  sleep 1
done
cat "$WORK/errors" >&2
say "$HOLDER_CLUSTER has a remote secret for $REMOTE_CLUSTER at $REMOTE_SERVER"
