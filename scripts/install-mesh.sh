#!/usr/bin/env bash
# Installs the mesh control plane of one cluster with asmcli.
#
# Inputs, as environment variables, in addition to those of lib.sh:
#   CLUSTER LOCATION  cluster
#   MODE              managed (Google runs the control plane) or in-cluster (istiod runs on the nodes)
#   CHANNEL           release channel of a managed control plane
#   REVISION          revision label of an in-cluster control plane
#   INPUTS            checksum of the inputs, written into the cluster as the completion marker
#   ASMCLI_URL        download URL of asmcli
#   ASMCLI_FILE       local copy to use instead of the download; may be empty
#   ASMCLI_SHA256     checksum of asmcli; may be empty for a local copy
#
# asmcli waits until the control plane is ready. The script is idempotent: asmcli applies
# the same objects again.

# Exit if the library is missing.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${CLUSTER:?}" "${LOCATION:?}" "${MODE:?}" "${CHANNEL:?}" "${REVISION:?}" "${INPUTS:?}" "${ASMCLI_URL:?}"

case "$MODE" in
  managed) readonly FLAGS=(--managed --channel "$CHANNEL") ;;
  in-cluster)
    # The flags that --managed implies. With the CNI plugin, pods need no privileges to
    # configure their network.
    readonly FLAGS=(--revision_name "$REVISION" --enable_cluster_roles --enable_gcp_components
      --enable_gcp_iam_roles --option cni-gcp)
    ;;
  *) die "MODE is $MODE, and must be managed or in-cluster" ;;
esac

sha256() {
  if command -v sha256sum >/dev/null 2>&1; then
    sha256sum "$1"
  else
    shasum -a 256 "$1"
  fi | awk '{ print $1 }'
}

# Copies or downloads asmcli into the workspace, and fails if its checksum differs.
fetch_asmcli() {
  if [[ -n "${ASMCLI_FILE:-}" ]]; then
    cp "$ASMCLI_FILE" "$WORK/asmcli"
  else
    if [[ -z "${ASMCLI_SHA256:-}" ]]; then
      die "mesh.asmcli.sha256 is not set. Set it to the output of: curl -fsSL $ASMCLI_URL | sha256sum"
    fi
    say "downloading $ASMCLI_URL"
    curl --fail --silent --show-error --location --retry 3 --output "$WORK/asmcli" "$ASMCLI_URL" ||
      die "could not download $ASMCLI_URL. Download it yourself, and set mesh.asmcli.file to the file"
  fi
  if [[ -n "${ASMCLI_SHA256:-}" ]]; then
    local found
    found="$(sha256 "$WORK/asmcli")"
    if [[ "$found" != "$ASMCLI_SHA256" ]]; then
      die "asmcli's checksum is $found, and mesh.asmcli.sha256 is $ASMCLI_SHA256." \
        "asmcli was not run; compare both with $ASMCLI_URL.sha256"
    fi
  fi
  chmod 700 "$WORK/asmcli"
}

# Runs asmcli with a clean environment, because variables such as MAJOR, REV, CA or DRY_RUN
# change its behaviour. They are unset one by one: with env -i, the remaining values would be
# visible in the process list.
run_asmcli() (
  for name in $(compgen -e); do
    case "$name" in
      HOME | LANG | LC_* | LOGNAME | PATH | TERM | TMPDIR | USER) ;;
      CLOUDSDK_* | GOOGLE_APPLICATION_CREDENTIALS | KUBERC | USE_GKE_GCLOUD_AUTH_PLUGIN) ;;
      CURL_CA_BUNDLE | REQUESTS_CA_BUNDLE | SSL_CERT_DIR | SSL_CERT_FILE) ;;
      HTTP_PROXY | HTTPS_PROXY | NO_PROXY | http_proxy | https_proxy | no_proxy) ;;
      *) unset "$name" 2>/dev/null || true ;;
    esac
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

# The next script needs istioctl: fail now rather than in ten minutes.
require_tools gcloud gke-gcloud-auth-plugin kubectl istioctl curl git jq tar awk grep sed tr head csplit
if [[ "$(uname -m)" != x86_64 ]]; then
  die "asmcli runs on x86_64 only, and this machine is $(uname -m). Nothing was changed"
fi
make_workspace
printf '#!/bin/sh\n' >"$WORK/executable"
chmod 700 "$WORK/executable"
"$WORK/executable" 2>/dev/null ||
  die "programs can't run from ${TMPDIR:-/tmp}, where asmcli is (mounted with noexec?); set TMPDIR to another folder"
fetch_asmcli
credentials "$WORK/kubeconfig" "$CLUSTER" "$LOCATION"

# A new folder: one that a run left which was killed between two downloads makes every
# later run fail.
mkdir "$WORK/output"
say "installing the mesh in $CLUSTER; this takes several minutes"
run_asmcli "$WORK/kubeconfig" "$(context "$CLUSTER" "$LOCATION")" "$PROJECT" "$WORK/output" ||
  die "asmcli failed in $CLUSTER; the lines above show the reason. Fix that and deploy again"

in_mesh() {
  kubectl --kubeconfig "$WORK/kubeconfig" --namespace istio-system "$@"
}

if [[ "$MODE" == managed ]]; then
  # The implementation for new fleets uses no remote secrets: it discovers the endpoints of other
  # clusters if this option is set. The older one ignores it. asmcli has created the ConfigMap.
  in_mesh patch configmap asm-options --type merge --patch '{"data": {"multicluster_mode": "connected"}}' ||
    die "the mesh is installed in $CLUSTER, but multicluster_mode could not be set; deploy again"
else
  in_mesh rollout status "deployment/istiod-$REVISION" --timeout 600s ||
    die "istiod-$REVISION is not ready in $CLUSTER; the lines above show the reason. Fix that and deploy again"
fi

# Written last: it proves that the installation is complete.
in_mesh create configmap "$MARKER_NAME" --from-literal "installed=$INPUTS" --dry-run=client --output yaml |
  in_mesh apply --server-side --force-conflicts --field-manager multi-region-mesh --filename - ||
  die "the mesh is installed in $CLUSTER, but its completion marker could not be written; deploy again"
say "the mesh is installed in $CLUSTER"
