#!/usr/bin/env bash
# Waits until what Multi Cluster Ingress made outside the clusters is gone.
#
# Inputs, by environment, besides those of lib.sh:
#   VPC           name of the network
#   WAIT_SECONDS  how long that may take; 1200 if not set
#
# Runs after the ingress objects are deleted. Before their load balancer is gone
# the fleet's feature can't be switched off; endpoint groups and firewall rules
# that stay hold the network.

# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${VPC:?}"
readonly WAIT_SECONDS="${WAIT_SECONDS:-1200}"

require_tools gcloud
make_workspace

readonly KINDS=(forwarding-rules target-http-proxies target-https-proxies url-maps backend-services health-checks
  firewall-rules network-endpoint-groups)

# For most kinds gcloud only warns if it could not get a list, and exits with 0.
readonly INCOMPLETE="Some requests did not succeed"
export CLOUDSDK_CORE_VERBOSITY=warning

# ask KIND: writes the names of what is left of a kind, and whether that is known.
ask() {
  local flags=(--global --filter 'name~^mci-')
  case "$1" in
    firewall-rules) flags=(--filter "name~^mci- AND network~/$VPC\$") ;;
    network-endpoint-groups) flags=(--filter "name~-mci- AND network~/$VPC\$") ;;
  esac
  gcloud compute "$1" list --project "$PROJECT" "${flags[@]}" --format "value(name)" \
    >"$WORK/left" 2>"$WORK/errors" || {
    cat "$WORK/errors" >&2
    die "could not ask what is left of the load balancer; the lines above say why"
  }
  known=1
  if grep -q "$INCOMPLETE" "$WORK/errors"; then
    known=0
  fi
}

give_up() {
  if [[ "$known" -eq 0 ]]; then
    cat "$WORK/errors" >&2
    die "after $WAIT_SECONDS s it is not known what is left of the load balancer; the lines above say why"
  fi
  for kind in "${KINDS[@]}"; do
    ask "$kind"
    while read -r name; do
      printf '%s: %s\n' "$kind" "$name" >&2
    done <"$WORK/left"
  done
  die "after $WAIT_SECONDS s the above is left of the load balancer; delete it, and run the same command again"
}

# One kind after the other: with its objects gone, nothing of it comes back.
for kind in "${KINDS[@]}"; do
  while ask "$kind" && [[ "$known" -eq 0 || -s "$WORK/left" ]]; do
    if [[ "$known" -eq 0 ]]; then
      say "not all $kind could be asked; asking again"
    else
      say "waiting for $(grep -c . "$WORK/left") $kind of the load balancer to go"
    fi
    if ((SECONDS - STARTED > WAIT_SECONDS)); then
      give_up
    fi
    sleep 5
  done
done
say "nothing is left of the load balancer"
