#!/usr/bin/env bash
# Lets one cluster's mesh watch another cluster: puts a remote secret into the holder.
#
# Inputs, by environment, besides those of lib.sh:
#   HOLDER_CLUSTER                       the cluster that gets the secret
#   REMOTE_CLUSTER                       the cluster that it may watch
#   HOLDER_KUBECONFIG REMOTE_KUBECONFIG  contents of kubeconfigs that reach them
#   REMOTE_NAME                          the name by which the mesh knows that cluster
#   REMOTE_SERVER                        URL of its private endpoint
#   INPUTS                               what the secret says that it was made from
#
# The secret holds a token that does not expire. It goes from istioctl to kubectl
# through a pipe and is in no file, argument, log or state. Applied by the server,
# it is not copied into an annotation either. Running it again converges.

# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${HOLDER_CLUSTER:?}" "${HOLDER_KUBECONFIG:?}" "${REMOTE_CLUSTER:?}" "${REMOTE_KUBECONFIG:?}"
: "${REMOTE_NAME:?}" "${REMOTE_SERVER:?}" "${INPUTS:?}"

# istioctl takes an empty host as well, and the secret then leads nowhere.
if [[ "$REMOTE_SERVER" != https://?* ]]; then
  die "the private endpoint of $REMOTE_CLUSTER is not known: REMOTE_SERVER is $REMOTE_SERVER; nothing was done"
fi
require_tools gcloud gke-gcloud-auth-plugin istioctl kubectl
make_workspace
printf '%s\n' "$HOLDER_KUBECONFIG" >"$WORK/holder"
printf '%s\n' "$REMOTE_KUBECONFIG" >"$WORK/remote"

grant() {
  istioctl create-remote-secret \
    --kubeconfig "$WORK/remote" \
    --name "$REMOTE_NAME" \
    --server "$REMOTE_SERVER" |
    kubectl annotate --local --filename - "$MARKER_NAME/inputs=$INPUTS" --output yaml |
    kubectl --kubeconfig "$WORK/holder" apply --server-side --force-conflicts \
      --field-manager multi-region-mesh --filename -
}

# All other clusters ask at the same time to watch this one, and istioctl makes the account's token in it
# where it finds none: only the first succeeds, and the others find that token the next time.
attempt=1
until grant 2>"$WORK/errors"; do
  if [[ "$attempt" -ge 5 ]] || ! grep -q 'already exists' "$WORK/errors"; then
    cat "$WORK/errors" >&2
    die "could not let $HOLDER_CLUSTER watch $REMOTE_CLUSTER; the lines above say why"
  fi
  attempt=$((attempt + 1))
  sleep 1
done
cat "$WORK/errors" >&2
say "$HOLDER_CLUSTER may watch $REMOTE_CLUSTER at $REMOTE_SERVER"
