#!/usr/bin/env bash
# Deletes a remote secret from a cluster when one of the two clusters leaves the mesh.
#
# Inputs, as environment variables, in addition to those of lib.sh:
#   HOLDER_CLUSTER HOLDER_LOCATION  cluster that holds the secret
#   SECRET_NAME                     name of the secret
#
# Succeeds if the cluster no longer exists.

# Exit if the library is missing.
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
