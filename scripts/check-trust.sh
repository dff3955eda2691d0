#!/usr/bin/env bash
# Looks whether a cluster has the secret by which its mesh watches another one, made from
# what it has to be: what was under way when terraform was killed may count as done.
#
# Inputs, by environment, besides those of lib.sh:
#   HOLDER_CLUSTER     the cluster that has the secret
#   HOLDER_KUBECONFIG  content of a kubeconfig that reaches it
#   SECRET_NAME        the secret
#   MARKER             what it says that it was made from
#   GRANTED_BY         address of the resource that put it there

# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${HOLDER_CLUSTER:?}" "${HOLDER_KUBECONFIG:?}" "${SECRET_NAME:?}" "${MARKER:?}" "${GRANTED_BY:?}"

require_tools gcloud gke-gcloud-auth-plugin kubectl
make_workspace
printf '%s\n' "$HOLDER_KUBECONFIG" >"$WORK/holder"

# Of the secret nothing but its annotation is asked for.
found="$(kubectl --kubeconfig "$WORK/holder" --namespace istio-system get secret "$SECRET_NAME" \
  --output "jsonpath={.metadata.annotations['$MARKER_NAME/inputs']}" --ignore-not-found)"
if [[ "$found" != "$MARKER" ]]; then
  once_more "$HOLDER_CLUSTER has no secret $SECRET_NAME, or one of other inputs" "$GRANTED_BY"
fi
say "$HOLDER_CLUSTER has its secret $SECRET_NAME"
