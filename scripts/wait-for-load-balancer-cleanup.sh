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

# Prints what is left, a line each. Where its status is asked, bash no longer stops
# at a failing command by itself.
leftovers() {
  local kind
  for kind in forwarding-rules target-http-proxies target-https-proxies url-maps backend-services health-checks; do
    gcloud compute "$kind" list --global --project "$PROJECT" --filter 'name~^mci-' --format "value(name)" ||
      return 1
  done
  gcloud compute firewall-rules list --project "$PROJECT" --filter "name~^mci- AND network~/$VPC\$" \
    --format "value(name)" || return 1
  gcloud compute network-endpoint-groups list --project "$PROJECT" --filter "name~-mci- AND network~/$VPC\$" \
    --format "value(name)" || return 1
}

# For most kinds gcloud only warns if it could not get a list, and exits with 0.
readonly INCOMPLETE="Some requests did not succeed"
export CLOUDSDK_CORE_VERBOSITY=warning

while true; do
  leftovers >"$WORK/left" 2>"$WORK/errors" || {
    cat "$WORK/errors" >&2
    die "could not ask what is left of the load balancer; the lines above say why"
  }
  count="$(grep -c . "$WORK/left" || true)"
  if grep -q "$INCOMPLETE" "$WORK/errors"; then
    known=0
    say "not all could be asked; asking again"
  else
    known=1
    if [[ "$count" -eq 0 ]]; then
      say "nothing is left of the load balancer"
      exit 0
    fi
    say "waiting until $count resources of the load balancer are gone"
  fi
  if ((SECONDS - STARTED > WAIT_SECONDS)); then
    if [[ "$known" -eq 0 ]]; then
      cat "$WORK/errors" >&2
      die "after $WAIT_SECONDS s it is not known what is left of the load balancer; the lines above say why"
    fi
    cat "$WORK/left" >&2
    die "after $WAIT_SECONDS s the above is left of the load balancer; delete it, and run the same command again"
  fi
  sleep 10
done
