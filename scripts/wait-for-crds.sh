#!/usr/bin/env bash
# Waits until a cluster serves the kinds that the next stack uses, and looks whether the
# mesh in it is whole: what was under way when terraform was killed may count as done.
#
# Inputs, by environment, besides those of lib.sh:
#   CLUSTER LOCATION  the cluster
#   CRDS              names of custom resource definitions, with spaces between them
#   INSTALLED_BY      address of the resource that installed the mesh here
#   MARKER            what that leaves in the cluster when it is done
#   SECRETS           a line a remote secret: its name, what it says that it was made from, and the
#                     address of the resource that put it here
#   WAIT_SECONDS      how long that may take; 1200 if not set

# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${CLUSTER:?}" "${LOCATION:?}" "${CRDS:?}" "${INSTALLED_BY:?}" "${MARKER:?}"
readonly WAIT_SECONDS="${WAIT_SECONDS:-1200}"

require_tools gcloud gke-gcloud-auth-plugin kubectl
make_workspace
credentials "$WORK/kubeconfig" "$CLUSTER" "$LOCATION"

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

in_mesh() {
  kubectl --kubeconfig "$WORK/kubeconfig" --namespace istio-system get "$@" --ignore-not-found
}

# once_more WHAT ADDRESS
once_more() {
  printf '%s: %s, although terraform counts it as done: was it killed? Then run this, and deploy again:\n' \
    "${0##*/}" "$1" >&2
  # cdktf-cli puts a path behind every name of a resource that it sees, and the command would
  # be of no use. A shell takes no notice of two quotes.
  die "  terraform -chdir='$PWD' apply -replace='${2//_/"''_"}'"
}

# What was done is read back from the cluster, and not believed: both are written last.
marker="$(in_mesh configmap "$MARKER_NAME" --output 'jsonpath={.data.installed}')"
if [[ "$marker" != "$MARKER" ]]; then
  once_more "the mesh in $CLUSTER is not whole" "$INSTALLED_BY"
fi
while read -r name inputs address; do
  if [[ -z "$name" ]]; then
    continue
  fi
  found="$(in_mesh secret "$name" --output "jsonpath={.metadata.annotations['$MARKER_NAME/inputs']}")"
  if [[ "$found" != "$inputs" ]]; then
    once_more "$CLUSTER has no secret $name, or one of other inputs" "$address"
  fi
done <<<"${SECRETS:-}"
say "the mesh in $CLUSTER is whole"
