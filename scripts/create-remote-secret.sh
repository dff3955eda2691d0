#!/usr/bin/env bash
# Creates a remote secret, with which the mesh control plane of one cluster discovers the endpoints of another.
#
# Inputs, as environment variables, in addition to those of lib.sh:
#   HOLDER_CLUSTER                       cluster that holds the secret
#   REMOTE_CLUSTER                       cluster whose endpoints it discovers
#   HOLDER_KUBECONFIG REMOTE_KUBECONFIG  contents of kubeconfigs for them
#   REMOTE_NAME                          name of the remote cluster in the mesh
#   REMOTE_SERVER                        URL of its private endpoint
#   INPUTS                               checksum of the inputs, written into an annotation of the secret
#
# The secret holds a token that does not expire. It is piped from istioctl to kubectl
# and appears in no file, argument, log or state. Server-side apply does not copy it
# into an annotation either. The script is idempotent.

# Exit if the library is missing.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${HOLDER_CLUSTER:?}" "${HOLDER_KUBECONFIG:?}" "${REMOTE_CLUSTER:?}" "${REMOTE_KUBECONFIG:?}"
: "${REMOTE_NAME:?}" "${REMOTE_SERVER:?}" "${INPUTS:?}"

# istioctl also accepts an empty host, and creates a secret that does not work.
if [[ "$REMOTE_SERVER" != https://?* ]]; then
  die "the private endpoint of $REMOTE_CLUSTER is unknown: REMOTE_SERVER is $REMOTE_SERVER. Nothing was changed"
fi
require_tools gcloud gke-gcloud-auth-plugin istioctl kubectl
make_workspace
printf '%s\n' "$HOLDER_KUBECONFIG" >"$WORK/holder"
printf '%s\n' "$REMOTE_KUBECONFIG" >"$WORK/remote"

create() {
  istioctl create-remote-secret \
    --kubeconfig "$WORK/remote" \
    --istioNamespace istio-system \
    --name "$REMOTE_NAME" \
    --server "$REMOTE_SERVER" |
    kubectl annotate --local --filename - "$MARKER_NAME/inputs=$INPUTS" --output yaml |
    kubectl --kubeconfig "$WORK/holder" apply --server-side --force-conflicts \
      --field-manager multi-region-mesh --filename -
}

# Concurrent runs for the same remote cluster create the token of its service account: only
# the first one succeeds, and the others find that token at their next attempt. Kubernetes
# fills it in a moment after it is created.
readonly RETRIED='already exists|no "(ca\.crt|token)" data found'
attempt=1
until create 2>"$WORK/errors"; do
  if [[ "$attempt" -ge 10 ]] || ! grep -Eq "$RETRIED" "$WORK/errors"; then
    cat "$WORK/errors" >&2
    die "could not create the remote secret for $REMOTE_CLUSTER in $HOLDER_CLUSTER; the lines above show the reason." \
      "Fix that and deploy again"
  fi
  attempt=$((attempt + 1))
  sleep 1
done
cat "$WORK/errors" >&2
say "$HOLDER_CLUSTER has a remote secret for $REMOTE_CLUSTER at $REMOTE_SERVER"
