#!/usr/bin/env bash
# Takes a remote secret out of a cluster, when one of the two leaves the mesh.
#
# Inputs, by environment, besides those of lib.sh:
#   HOLDER_CLUSTER HOLDER_LOCATION  the cluster that has the secret
#   SECRET_NAME                     the secret
#
# A cluster that is gone already is no error.

# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${HOLDER_CLUSTER:?}" "${HOLDER_LOCATION:?}" "${SECRET_NAME:?}"

require_tools gcloud gke-gcloud-auth-plugin kubectl
make_workspace
credentials_or_gone "$WORK/holder" "$HOLDER_CLUSTER" "$HOLDER_LOCATION"
kubectl --kubeconfig "$WORK/holder" --namespace istio-system delete secret "$SECRET_NAME" --ignore-not-found
say "$HOLDER_CLUSTER has no secret $SECRET_NAME any more"
