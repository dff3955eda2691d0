#!/usr/bin/env bash
# Takes the mesh's control plane out of one cluster, when the cluster leaves the mesh.
#
# Inputs, by environment, besides those of lib.sh:
#   CLUSTER LOCATION  the cluster
#
# Follows https://cloud.google.com/service-mesh/docs/uninstall. A cluster that is
# gone already is no error.

# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${CLUSTER:?}" "${LOCATION:?}"

require_tools gcloud gke-gcloud-auth-plugin kubectl
make_workspace
credentials_or_gone "$WORK/kubeconfig" "$CLUSTER" "$LOCATION"

in_cluster() {
  kubectl --kubeconfig "$WORK/kubeconfig" "$@"
}

# Not knowing whether it is there is not the same as its not being there.
revisions="$(in_cluster get customresourcedefinition controlplanerevisions.mesh.cloud.google.com \
  --ignore-not-found --output name)"
if [[ -n "$revisions" ]]; then
  say "removing the control plane revisions of $CLUSTER"
  in_cluster --namespace istio-system delete controlplanerevisions --all --ignore-not-found
fi
istiod="$(in_cluster get deployment --namespace istio-system --selector app=istiod --ignore-not-found --output name)"
if [[ -n "$istiod" ]]; then
  # A control plane on the nodes has roles, a CNI plugin and more outside its namespace.
  require_tools istioctl
  say "uninstalling istiod from $CLUSTER"
  istioctl uninstall --kubeconfig "$WORK/kubeconfig" --purge --skip-confirmation
fi
say "removing the mesh's webhooks from $CLUSTER"
in_cluster delete validatingwebhookconfigurations,mutatingwebhookconfigurations \
  --selector 'operator.istio.io/component=Pilot,istio.io/owned-by!=mesh.googleapis.com' --ignore-not-found
say "removing the mesh's namespaces from $CLUSTER"
in_cluster delete namespace istio-system asm-system --ignore-not-found --timeout 600s
say "$CLUSTER has left the mesh"
