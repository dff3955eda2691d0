#!/usr/bin/env bash
# Checks that a cluster has the remote secret for another cluster, created from the current
# inputs: an interrupted script may be complete in terraform's state.
#
# Inputs, as environment variables, in addition to those of lib.sh:
#   HOLDER_CLUSTER     cluster that holds the secret
#   HOLDER_KUBECONFIG  content of a kubeconfig for it
#   SECRET_NAME        name of the secret
#   MARKER             expected checksum of the secret's inputs
#   GRANTED_BY         address of the resource that creates the secret

# Exit if the library is missing.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${HOLDER_CLUSTER:?}" "${HOLDER_KUBECONFIG:?}" "${SECRET_NAME:?}" "${MARKER:?}" "${GRANTED_BY:?}"

require_tools gcloud gke-gcloud-auth-plugin kubectl
make_workspace
printf '%s\n' "$HOLDER_KUBECONFIG" >"$WORK/holder"

# Reads the secret's annotation only.
found="$(kubectl --kubeconfig "$WORK/holder" --namespace istio-system get secret "$SECRET_NAME" \
  --output "jsonpath={.metadata.annotations['$MARKER_NAME/inputs']}" --ignore-not-found)"
if [[ "$found" != "$MARKER" ]]; then
  stop_incomplete "$HOLDER_CLUSTER has no secret $SECRET_NAME, or one from outdated inputs" "$GRANTED_BY"
fi
say "$HOLDER_CLUSTER has secret $SECRET_NAME"
