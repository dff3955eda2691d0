#!/usr/bin/env bash
# Deletes a remote secret from a cluster when one of the two clusters leaves the mesh.
#
# Inputs, as environment variables, besides those of lib.sh:
#   HOLDER_CLUSTER HOLDER_LOCATION  the cluster that holds the secret
#   SECRET_NAME                     the secret
#
# A cluster that no longer exists is no error.

# Without the library nothing may run.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${HOLDER_CLUSTER:?}" "${HOLDER_LOCATION:?}" "${SECRET_NAME:?}"

require_tools gcloud gke-gcloud-auth-plugin kubectl
make_workspace
credentials_or_gone "$WORK/holder" "$HOLDER_CLUSTER" "$HOLDER_LOCATION"
kubectl --kubeconfig "$WORK/holder" --namespace istio-system delete secret "$SECRET_NAME" --ignore-not-found
require_gone "$WORK/holder" --namespace istio-system secret "$SECRET_NAME"
say "$HOLDER_CLUSTER no longer has secret $SECRET_NAME"
