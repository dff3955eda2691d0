#!/usr/bin/env bash
# Installs the mesh's control plane for one cluster, by asmcli.
#
# Inputs, by environment, besides those of lib.sh:
#   CLUSTER LOCATION  the cluster
#   MODE              who runs it: managed (Google), or in-cluster (istiod on the nodes)
#   CHANNEL           release channel of a managed one
#   REVISION          revision label of one in the cluster
#   INPUTS            what is left in the cluster when all is done
#   ASMCLI_URL        where asmcli is downloaded
#   ASMCLI_FILE       a local copy to use in place of the download; may be empty
#   ASMCLI_SHA256     checksum of either; may be empty for a local copy
#
# asmcli itself waits until the control plane is there. Running it again converges:
# it applies the same objects again.

# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${CLUSTER:?}" "${LOCATION:?}" "${MODE:?}" "${CHANNEL:?}" "${REVISION:?}" "${INPUTS:?}" "${ASMCLI_URL:?}"

case "$MODE" in
  managed) readonly FLAGS=(--managed --channel "$CHANNEL") ;;
  in-cluster)
    # What --managed implies is said one by one. The CNI plugin spares every pod the right
    # to change its node's network.
    readonly FLAGS=(--revision_name "$REVISION" --enable_cluster_roles --enable_gcp_components
      --enable_gcp_iam_roles --option cni-gcp)
    ;;
  *) die "MODE must be managed or in-cluster, and is $MODE" ;;
esac

sha256() {
  if command -v sha256sum >/dev/null 2>&1; then
    sha256sum "$1"
  else
    shasum -a 256 "$1"
  fi | awk '{ print $1 }'
}

# Puts asmcli into the workspace. Nothing runs that its checksum does not vouch for.
fetch_asmcli() {
  if [[ -n "${ASMCLI_FILE:-}" ]]; then
    cp "$ASMCLI_FILE" "$WORK/asmcli"
  else
    if [[ -z "${ASMCLI_SHA256:-}" ]]; then
      die "mesh.asmcli.sha256 is not set; set it to what this prints: curl -fsSL $ASMCLI_URL | sha256sum"
    fi
    say "downloading $ASMCLI_URL"
    curl --fail --silent --show-error --location --retry 3 --output "$WORK/asmcli" "$ASMCLI_URL" ||
      die "could not download $ASMCLI_URL; download it yourself and name the file in mesh.asmcli.file"
  fi
  if [[ -n "${ASMCLI_SHA256:-}" ]]; then
    local found
    found="$(sha256 "$WORK/asmcli")"
    if [[ "$found" != "$ASMCLI_SHA256" ]]; then
      die "asmcli's checksum is $found and not $ASMCLI_SHA256 (mesh.asmcli.sha256); nothing was run"
    fi
  fi
  chmod 700 "$WORK/asmcli"
}

# Runs asmcli with a clean environment: variables such as MAJOR, REV, CA or DRY_RUN
# change what it does. They are unset, not passed to env -i, which would show the
# values that stay in the process list.
run_asmcli() (
  for name in $(compgen -e); do
    case "$name" in
      HOME | LANG | LC_* | LOGNAME | PATH | TERM | TMPDIR | USER) ;;
      CLOUDSDK_* | GOOGLE_APPLICATION_CREDENTIALS | USE_GKE_GCLOUD_AUTH_PLUGIN) ;;
      CURL_CA_BUNDLE | REQUESTS_CA_BUNDLE | SSL_CERT_DIR | SSL_CERT_FILE) ;;
      HTTP_PROXY | HTTPS_PROXY | NO_PROXY | http_proxy | https_proxy | no_proxy) ;;
      *) unset "$name" 2>/dev/null || true ;;
    esac
  done
  for name in $(declare -Fx | awk '{ print $3 }'); do
    unset -f "$name"
  done
  exec "$WORK/asmcli" apply \
    --kubeconfig "$1" \
    --context "$2" \
    --fleet_id "$3" \
    "${FLAGS[@]}" \
    --ca mesh_ca \
    --enable_namespace_creation \
    --output_dir "$4"
)

# istioctl is for the next script; better to miss it now than in ten minutes.
require_tools gcloud gke-gcloud-auth-plugin kubectl istioctl curl git jq tar awk grep sed tr head csplit
if [[ "$(uname -m)" != x86_64 ]]; then
  die "asmcli runs on x86_64 only, and this machine is $(uname -m); nothing was done"
fi
make_workspace
fetch_asmcli
credentials "$WORK/kubeconfig" "$CLUSTER" "$LOCATION"

# A fresh folder: a run that was killed between two downloads leaves one in which
# every later run fails.
mkdir "$WORK/output"
say "installing the mesh in $CLUSTER; this takes several minutes"
run_asmcli "$WORK/kubeconfig" "$(context "$CLUSTER" "$LOCATION")" "$PROJECT" "$WORK/output" ||
  die "asmcli failed in $CLUSTER; its last lines say why. Deploy again when that is put right"

in_mesh() {
  kubectl --kubeconfig "$WORK/kubeconfig" --namespace istio-system "$@"
}

if [[ "$MODE" == managed ]]; then
  # The control plane that Google gives new fleets knows no remote secrets and finds
  # other clusters by this; the older one ignores it. asmcli has made the ConfigMap.
  in_mesh patch configmap asm-options --type merge --patch '{"data": {"multicluster_mode": "connected"}}' ||
    die "the mesh is installed in $CLUSTER, but could not be told of the other clusters; deploy again"
else
  in_mesh rollout status "deployment/istiod-$REVISION" --timeout 600s ||
    die "istiod-$REVISION does not become ready in $CLUSTER; the lines above say why. Deploy again when that is put right"
fi

# The last thing of all: whoever finds this knows that nothing was left half-done.
in_mesh create configmap "$MARKER_NAME" --from-literal "installed=$INPUTS" --dry-run=client --output yaml |
  in_mesh apply --server-side --force-conflicts --field-manager multi-region-mesh --filename - ||
  die "the mesh is installed in $CLUSTER, but could not be marked as such; deploy again"
say "the mesh is installed in $CLUSTER"
