#!/usr/bin/env bash
# Waits until the CRDs that the next stack uses are established in a cluster, and checks
# that its mesh is complete: an interrupted installation may be complete in terraform's state.
#
# Inputs, as environment variables, in addition to those of lib.sh:
#   CLUSTER             cluster
#   CLUSTER_KUBECONFIG  content of a kubeconfig for it
#   CRDS                names of custom resource definitions, separated by spaces
#   INSTALLED_BY        address of the resource that installs the mesh in the cluster
#   MARKER              completion marker that it writes into the cluster
#   WAIT_SECONDS        timeout in seconds; 1200 by default

# Exit if the library is missing.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${CLUSTER:?}" "${CLUSTER_KUBECONFIG:?}" "${CRDS:?}" "${INSTALLED_BY:?}" "${MARKER:?}"
readonly WAIT_SECONDS="${WAIT_SECONDS:-1200}"

require_tools gcloud gke-gcloud-auth-plugin kubectl
make_workspace
printf '%s\n' "$CLUSTER_KUBECONFIG" >"$WORK/kubeconfig"

read -r -a crds <<<"$CRDS"
for crd in "${crds[@]}"; do
  # kubectl wait fails at once for a CRD that does not exist yet.
  until kubectl --kubeconfig "$WORK/kubeconfig" wait "customresourcedefinition/$crd" \
    --for=condition=Established --timeout 10s >/dev/null 2>"$WORK/errors"; do
    if grep -qi forbidden "$WORK/errors"; then
      cat "$WORK/errors" >&2
      die "the deploying account can't read CRDs in $CLUSTER. Grant it roles/container.admin and deploy again"
    fi
    if ((SECONDS - STARTED > WAIT_SECONDS)); then
      kubectl --kubeconfig "$WORK/kubeconfig" get customresourcedefinition "$crd" >&2 || true
      die "CRD $crd is not established in $CLUSTER after $WAIT_SECONDS s. Deploy again to continue waiting"
    fi
    say "waiting for CRD $crd in $CLUSTER"
    sleep 5
  done
done
say "${#crds[@]} CRDs are established in $CLUSTER: $CRDS"

# The completion marker proves that the installation is complete; terraform's state does not.
marker="$(kubectl --kubeconfig "$WORK/kubeconfig" --namespace istio-system get configmap "$MARKER_NAME" \
  --output 'jsonpath={.data.installed}' --ignore-not-found)"
if [[ "$marker" != "$MARKER" ]]; then
  stop_incomplete "the mesh in $CLUSTER is incomplete" "$INSTALLED_BY"
fi
say "the mesh in $CLUSTER is complete"
