#!/usr/bin/env bash
# Checks that a cluster has the remote secret for another one, created from the current
# inputs: terraform may count a script as complete that was interrupted with it.
#
# Inputs, as environment variables, besides those of lib.sh:
#   HOLDER_CLUSTER     the cluster that holds the secret
#   HOLDER_KUBECONFIG  content of a kubeconfig that reaches it
#   SECRET_NAME        the secret
#   MARKER             the expected checksum of the secret's inputs
#   GRANTED_BY         address of the resource that creates it

# Without the library nothing may run.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${HOLDER_CLUSTER:?}" "${HOLDER_KUBECONFIG:?}" "${SECRET_NAME:?}" "${MARKER:?}" "${GRANTED_BY:?}"

require_tools gcloud gke-gcloud-auth-plugin kubectl
make_workspace
printf '%s\n' "$HOLDER_KUBECONFIG" >"$WORK/holder"

# Reads nothing of the secret but its annotation.
found="$(kubectl --kubeconfig "$WORK/holder" --namespace istio-system get secret "$SECRET_NAME" \
  --output "jsonpath={.metadata.annotations['$MARKER_NAME/inputs']}" --ignore-not-found)"
if [[ "$found" != "$MARKER" ]]; then
  stop_incomplete "$HOLDER_CLUSTER has no secret $SECRET_NAME, or one of other inputs" "$GRANTED_BY"
fi
say "$HOLDER_CLUSTER has its secret $SECRET_NAME"
