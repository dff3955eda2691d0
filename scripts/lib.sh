# shellcheck shell=bash
# Functions and settings that all scripts share.
#
# Inputs, as environment variables:
#   PROJECT   project of the clusters
#   ENDPOINT  endpoint of their GKE control planes: public, private or dns
#   ACCOUNT   service account to impersonate; empty for the caller's own credentials

set -euo pipefail
# The caller's shell settings have no effect on the scripts. bash -p (constructs/script_folder.py) ignores
# exported functions and shell options, but passes them on to the programs that it runs.
shell_settings=()
while IFS= read -r line; do
  case "$line" in
    BASH_FUNC_*=* | BASH_ENV=* | ENV=* | SHELLOPTS=* | BASHOPTS=*) shell_settings+=(-u "${line%%=*}") ;;
  esac
done < <(env)
if [[ "${#shell_settings[@]}" -gt 0 ]]; then
  exec env "${shell_settings[@]}" bash -p "$0" "$@"
fi
unset shell_settings line

# kubectl's preferences, the caller's kubeconfig and gcloud's verbosity have no effect either. Without user output,
# gcloud prints no list and exits with 0: everything would count as deleted.
for name in $(compgen -e KUBE_) KUBECONFIG; do
  unset "$name"
done
unset name
export KUBERC=off
export CLOUDSDK_CORE_USER_OUTPUT_ENABLED=true
export CLOUDSDK_CORE_VERBOSITY=warning

: "${PROJECT:?}" "${ENDPOINT:?}"

if [[ -n "${ACCOUNT:-}" ]]; then
  export CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT="$ACCOUNT"
fi
export CLOUDSDK_CORE_DISABLE_PROMPTS=1
export USE_GKE_GCLOUD_AUTH_PLUGIN=True
# gcloud would write the plugin's token into its log file.
export CLOUDSDK_CORE_DISABLE_FILE_LOGGING=1

readonly STARTED=$SECONDS

# Name of the completion markers: a ConfigMap in istio-system, which an installation
# writes last, and an annotation of every remote secret.
# shellcheck disable=SC2034  # used by the scripts
readonly MARKER_NAME=multi-region-mesh

say() {
  printf '%s: %s (%s s)\n' "${0##*/}" "$*" "$((SECONDS - STARTED))"
}

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# stop_incomplete PROBLEM ADDRESS: fails if something is complete in terraform's state and not in the cluster;
# prints the command that replaces the resource.
stop_incomplete() {
  printf '%s: %s, although terraform counts it as complete. If terraform was interrupted, run this and deploy again:\n' \
    "${0##*/}" "$1" >&2
  # cdktf-cli inserts a path behind every resource name that it finds, which would break the
  # command; the shell ignores the two quotes. -target excludes the checks of other clusters,
  # which fail if those are incomplete, too.
  local quoted="''_" address folder
  address="${2//_/$quoted}" # bash 4.2 keeps quotes that are written here
  printf -v folder '%q' "$PWD"
  die "  terraform -chdir=$folder apply -replace='$address' -target='$address'"
}

# required_version TOOL: prints the required version of a tool and its source.
required_version() {
  case "$1" in
    curl | git | jq | tar | awk | grep | sed | tr | head | csplit) printf 'any version, from your package manager' ;;
    gcloud) printf '400 or later: https://cloud.google.com/sdk/docs/install' ;;
    gke-gcloud-auth-plugin) printf 'any version: gcloud components install gke-gcloud-auth-plugin' ;;
    istioctl) printf '1.16 or later, which has create-remote-secret: https://istio.io/latest/docs/setup/getting-started' ;;
    kubectl) printf '1.28 or later: gcloud components install kubectl' ;;
    *) printf 'any version' ;;
  esac
}

# require_tools TOOL...: fails if a tool is missing, and names every missing one.
require_tools() {
  local tool missing=0
  for tool in "$@"; do
    if ! command -v "$tool" >/dev/null 2>&1; then
      printf '%s: %s is missing on this machine (required: %s)\n' "${0##*/}" "$tool" "$(required_version "$tool")" >&2
      missing=1
    fi
  done
  if [[ "$missing" -ne 0 ]]; then
    die "nothing was changed; install the missing tools and deploy again"
  fi
}

# remove_abandoned PREFIX: deletes the folders PREFIX.PROCESS.XXXXXXXX of this user whose process was killed, unless a
# program that it has started still has the folder among its arguments.
remove_abandoned() {
  local folder number processes running
  processes="$(ps -A -ww -o pid= -o stat= -o args= 2>/dev/null)" || return 0
  for folder in "$1".*.*; do
    number="${folder%.*}"
    number="${number##*.}"
    running=$'\n *'"$number"' +[^Z]' # Z: it has ended, and its parent has not noticed
    if [[ -d "$folder" && ! -L "$folder" && -O "$folder" && "$number" =~ ^[0-9]+$ ]] &&
      [[ ! $'\n'"$processes" =~ $running && "$processes" != *"$folder"* ]]; then
      rm -rf "$folder" || true
    fi
  done
}

# Creates $WORK, a folder that only this user can read and that is removed on every exit. If the script is killed, the
# next one removes it, or the next `mesh` (config/temporary_folder.py).
make_workspace() {
  umask 077
  local machine prefix
  machine="$(uname -n)"
  machine="${machine//[^A-Za-z0-9]/}"
  prefix="${TMPDIR:-/tmp}"
  prefix="${prefix%/}/mesh.${machine:0:8}"
  remove_abandoned "$prefix"
  WORK="$(mktemp -d "$prefix.$$.XXXXXXXX")"
  readonly WORK
  trap 'rm -rf "$WORK"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# credentials FILE CLUSTER LOCATION: writes a kubeconfig; the plugin issues its tokens.
credentials() {
  local flags=()
  case "$ENDPOINT" in
    public) ;;
    private) flags=(--internal-ip) ;;
    dns) flags=(--dns-endpoint) ;;
    *) die "ENDPOINT is $ENDPOINT, and must be public, private or dns" ;;
  esac
  KUBECONFIG="$1" gcloud container clusters get-credentials "$2" \
    --location "$3" --project "$PROJECT" --quiet ${flags[@]+"${flags[@]}"} 2>"$WORK/credentials.log" || {
    cat "$WORK/credentials.log" >&2
    return 1
  }
}

# credentials_or_gone FILE CLUSTER LOCATION: like credentials, but exits with 0 if the cluster no longer exists.
credentials_or_gone() {
  credentials "$@" && return
  # Only an error about this cluster counts: gcloud also reports accounts and files that it does not find.
  if grep -q "code=404.*/clusters/$2" "$WORK/credentials.log"; then
    say "cluster $2 no longer exists: nothing to delete in it"
    exit 0
  fi
  die "can't reach cluster $2: nothing was deleted in it; the lines above show the reason. Fix that and deploy again"
}

# require_gone KUBECONFIG ARGUMENTS...: fails if `kubectl get ARGUMENTS` finds an object. The exit status of
# `kubectl delete` does not prove a deletion.
require_gone() {
  local found
  found="$(kubectl --kubeconfig "$1" get "${@:2}" --ignore-not-found --output name)"
  if [[ -n "$found" ]]; then
    die "still present after its deletion: ${found//$'\n'/, }. Delete it and deploy again"
  fi
}

# context CLUSTER LOCATION: prints the name that gcloud gives a cluster's context.
context() {
  printf 'gke_%s_%s_%s' "$PROJECT" "$2" "$1"
}
