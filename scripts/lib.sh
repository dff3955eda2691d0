# shellcheck shell=bash
# What all scripts share. Source it; it does nothing by itself.
#
# Inputs, by environment:
#   PROJECT   project of the clusters
#   ENDPOINT  how to reach their control planes: public, private or dns
#   ACCOUNT   service account to act as; empty for the caller's own credentials

set -euo pipefail

: "${PROJECT:?}" "${ENDPOINT:?}"

if [[ -n "${ACCOUNT:-}" ]]; then
  export CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT="$ACCOUNT"
fi
export CLOUDSDK_CORE_DISABLE_PROMPTS=1
export USE_GKE_GCLOUD_AUTH_PLUGIN=True
# The plugin asks gcloud for a token, and gcloud writes what it answers into its log.
export CLOUDSDK_CORE_DISABLE_FILE_LOGGING=1

readonly STARTED=$SECONDS

# Tells what is done in a cluster, and from what: a ConfigMap in istio-system, written
# last, and an annotation of every remote secret.
# shellcheck disable=SC2034  # for those who source this
readonly MARKER_NAME=multi-region-mesh

say() {
  printf '%s: %s (%s s)\n' "${0##*/}" "$*" "$((SECONDS - STARTED))"
}

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# once_more WHAT ADDRESS: stops where terraform believes what is not so, with the command that makes it so.
once_more() {
  printf '%s: %s, although terraform counts it as done: was it killed? Then run this, and deploy again:\n' \
    "${0##*/}" "$1" >&2
  # cdktf-cli puts a path behind every name of a resource that it sees, and the command would
  # be of no use. A shell takes no notice of two quotes. And nothing but this: what looks at
  # another cluster would fail if that one is not whole either.
  local address="${2//_/"''_"}"
  die "  terraform -chdir='$PWD' apply -replace='$address' -target='$address'"
}

# Prints what a tool is needed at, and where it comes from.
needed() {
  case "$1" in
    curl | git | jq | tar | awk | grep | sed | tr | head | csplit) printf 'any version, from your package manager' ;;
    gcloud) printf '400 or later: https://cloud.google.com/sdk/docs/install' ;;
    gke-gcloud-auth-plugin) printf 'any version: gcloud components install gke-gcloud-auth-plugin' ;;
    istioctl) printf '1.16 or later, which has create-remote-secret: https://istio.io/latest/docs/setup/getting-started' ;;
    kubectl) printf '1.28 or later: gcloud components install kubectl' ;;
    *) printf 'any version' ;;
  esac
}

# Stops, before anything is done, if a tool is missing; names all that are.
require_tools() {
  local tool missing=0
  for tool in "$@"; do
    if ! command -v "$tool" >/dev/null 2>&1; then
      printf '%s: %s is missing on this machine (%s)\n' "${0##*/}" "$tool" "$(needed "$tool")" >&2
      missing=1
    fi
  done
  if [[ "$missing" -ne 0 ]]; then
    die "nothing was done; install what is missing and deploy again"
  fi
}

# Makes $WORK, a folder that only we can read and that goes on every way out.
make_workspace() {
  umask 077
  WORK="$(mktemp -d)"
  readonly WORK
  trap 'rm -rf "$WORK"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# credentials FILE CLUSTER LOCATION: writes a kubeconfig, whose tokens a plugin makes when asked.
credentials() {
  local flags=()
  case "$ENDPOINT" in
    public) ;;
    private) flags=(--internal-ip) ;;
    dns) flags=(--dns-endpoint) ;;
    *) die "ENDPOINT must be public, private or dns, and is $ENDPOINT" ;;
  esac
  KUBECONFIG="$1" gcloud container clusters get-credentials "$2" \
    --location "$3" --project "$PROJECT" --quiet ${flags[@]+"${flags[@]}"} 2>"$WORK/credentials.log" || {
    cat "$WORK/credentials.log" >&2
    return 1
  }
}

# Like credentials, for cleaning up: exits with success if the cluster is gone, and all in it.
credentials_or_gone() {
  credentials "$@" && return
  # Of this cluster, and nothing else: an account or a file may be not found, too.
  if grep -q "code=404.*/clusters/$2" "$WORK/credentials.log"; then
    say "cluster $2 is gone; there is nothing to clean up"
    exit 0
  fi
  die "can't reach cluster $2, so nothing was cleaned up in it; put that right and deploy again"
}

# context CLUSTER LOCATION: the name that gcloud gives a cluster's context.
context() {
  printf 'gke_%s_%s_%s' "$PROJECT" "$2" "$1"
}
