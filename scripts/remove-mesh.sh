#!/usr/bin/env bash
# Removes the mesh control plane from a cluster that leaves the mesh.
#
# Inputs, as environment variables, besides those of lib.sh:
#   CLUSTER LOCATION  the cluster
#
# Follows https://cloud.google.com/service-mesh/docs/uninstall. A cluster that no
# longer exists is no error.

# Without the library nothing may run.
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

# A failed call ends the script: it does not prove that there is none.
revisions="$(in_cluster get customresourcedefinition controlplanerevisions.mesh.cloud.google.com \
  --ignore-not-found --output name)"
if [[ -n "$revisions" ]]; then
  say "removing the control plane revisions of $CLUSTER"
  in_cluster --namespace istio-system delete controlplanerevisions --all --ignore-not-found
  require_gone "$WORK/kubeconfig" --namespace istio-system controlplanerevisions
fi
istiod="$(in_cluster get deployment --namespace istio-system --selector app=istiod --ignore-not-found --output name)"
if [[ -n "$istiod" ]]; then
  # An in-cluster control plane has roles, a CNI plugin and more outside its namespace.
  require_tools istioctl
  say "uninstalling istiod from $CLUSTER"
  istioctl uninstall --kubeconfig "$WORK/kubeconfig" --purge --skip-confirmation
fi
say "removing the mesh's webhooks from $CLUSTER"
readonly WEBHOOKS=("validatingwebhookconfigurations,mutatingwebhookconfigurations"
  --selector 'operator.istio.io/component=Pilot,istio.io/owned-by!=mesh.googleapis.com')
in_cluster delete "${WEBHOOKS[@]}" --ignore-not-found
require_gone "$WORK/kubeconfig" "${WEBHOOKS[@]}"
say "removing the mesh's namespaces from $CLUSTER"
in_cluster delete namespace istio-system asm-system --ignore-not-found --timeout 600s
require_gone "$WORK/kubeconfig" namespace istio-system asm-system
say "$CLUSTER has left the mesh"
