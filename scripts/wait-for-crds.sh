#!/usr/bin/env bash
# Waits until a cluster serves the kinds that the next stack uses, and looks whether the
# mesh in it is whole: what was under way when terraform was killed may count as done.
#
# Inputs, by environment, besides those of lib.sh:
#   CLUSTER             the cluster
#   CLUSTER_KUBECONFIG  content of a kubeconfig that reaches it
#   CRDS                names of custom resource definitions, with spaces between them
#   INSTALLED_BY        address of the resource that installed the mesh here
#   MARKER              what that leaves in the cluster when it is done
#   WAIT_SECONDS        how long that may take; 1200 if not set

# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${CLUSTER:?}" "${CLUSTER_KUBECONFIG:?}" "${CRDS:?}" "${INSTALLED_BY:?}" "${MARKER:?}"
readonly WAIT_SECONDS="${WAIT_SECONDS:-1200}"

require_tools gcloud gke-gcloud-auth-plugin kubectl
make_workspace
printf '%s\n' "$CLUSTER_KUBECONFIG" >"$WORK/kubeconfig"

read -r -a crds <<<"$CRDS"
for crd in "${crds[@]}"; do
  # kubectl wait fails at once for what does not exist yet.
  until kubectl --kubeconfig "$WORK/kubeconfig" wait "customresourcedefinition/$crd" \
    --for=condition=Established --timeout 10s >/dev/null 2>&1; do
    if ((SECONDS - STARTED > WAIT_SECONDS)); then
      kubectl --kubeconfig "$WORK/kubeconfig" get customresourcedefinition "$crd" >&2 || true
      die "$CLUSTER does not serve $crd after $WAIT_SECONDS s; deploy again to go on waiting"
    fi
    say "waiting until $CLUSTER serves $crd"
    sleep 5
  done
done
say "$CLUSTER serves ${#crds[@]} kinds: $CRDS"

# What was done is read back from the cluster, and not believed: this is written last.
marker="$(kubectl --kubeconfig "$WORK/kubeconfig" --namespace istio-system get configmap "$MARKER_NAME" \
  --output 'jsonpath={.data.installed}' --ignore-not-found)"
if [[ "$marker" != "$MARKER" ]]; then
  once_more "the mesh in $CLUSTER is not whole" "$INSTALLED_BY"
fi
say "the mesh in $CLUSTER is whole"
