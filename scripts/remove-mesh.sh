#!/usr/bin/env bash
# Removes the mesh control plane from a cluster that leaves the mesh.
#
# Inputs, as environment variables, in addition to those of lib.sh:
#   CLUSTER LOCATION  cluster
#
# Follows https://cloud.google.com/service-mesh/docs/uninstall. Succeeds if the cluster
# no longer exists.

# Exit if the library is missing.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${CLUSTER:?}" "${LOCATION:?}"

require_tools gcloud gke-gcloud-auth-plugin kubectl
make_workspace
credentials_or_gone "$WORK/kubeconfig" "$CLUSTER" "$LOCATION"

in_cluster() {
  kubectl --kubeconfig "$WORK/kubeconfig" "$@"
}

# The script ends if this call fails, which does not prove that the CRD is missing.
revisions="$(in_cluster get customresourcedefinition controlplanerevisions.mesh.cloud.google.com \
  --ignore-not-found --output name)"
if [[ -n "$revisions" ]]; then
  say "deleting the control plane revisions of $CLUSTER"
  in_cluster --namespace istio-system delete controlplanerevisions --all --ignore-not-found
  require_gone "$WORK/kubeconfig" --namespace istio-system controlplanerevisions
fi
istiod="$(in_cluster get deployment --namespace istio-system --selector app=istiod --ignore-not-found --output name)"
if [[ -n "$istiod" ]]; then
  # An in-cluster control plane also has roles, a CNI plugin and more outside its namespace.
  require_tools istioctl
  say "uninstalling istiod from $CLUSTER"
  istioctl uninstall --kubeconfig "$WORK/kubeconfig" --istioNamespace istio-system --purge --skip-confirmation
fi
say "deleting the mesh's webhooks in $CLUSTER"
readonly WEBHOOKS=("validatingwebhookconfigurations,mutatingwebhookconfigurations"
  --selector 'operator.istio.io/component=Pilot,istio.io/owned-by!=mesh.googleapis.com')
in_cluster delete "${WEBHOOKS[@]}" --ignore-not-found
require_gone "$WORK/kubeconfig" "${WEBHOOKS[@]}"
say "deleting the mesh's namespaces in $CLUSTER"
in_cluster delete namespace istio-system asm-system --ignore-not-found --timeout 600s
require_gone "$WORK/kubeconfig" namespace istio-system asm-system
say "the mesh is removed from $CLUSTER"
