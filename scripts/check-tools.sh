#!/usr/bin/env bash
# Checks, before anything is created, that this machine has the tools that the scripts need.
# Names every missing one, and the alternatives where nothing can be installed.
#
# Inputs, as environment variables, besides those of lib.sh:
#   TOOLS          names of programs, separated by spaces
#   CONTROL_PLANE  the control plane mode that needs them

# Without the library nothing may run.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${TOOLS:?}" "${CONTROL_PLANE:?}"

# In a subshell, which require_tools ends: more messages follow.
check() (
  read -r -a tools <<<"$TOOLS"
  require_tools "${tools[@]}"
)

missing=0
check || missing=1
machine="$(uname -m)"
if [[ "$machine" != x86_64 ]]; then
  printf '%s: asmcli runs on x86_64 only, and this machine is %s\n' "${0##*/}" "$machine" >&2
  missing=1
fi
if [[ "$missing" -ne 0 ]]; then
  cat >&2 <<EOF
With mesh.control_plane: $CONTROL_PLANE, scripts on the machine that runs terraform install
the mesh. If that machine can't have the tools, as with Terraform Cloud's own machines, either
  - set mesh.control_plane: fleet, which needs no tools (docs/control-planes.md), or
  - run terraform on agents: your own machines with the tools, best inside the VPC
    (backend.execution: agent; docs/backends.md).
EOF
  die "nothing was created"
fi
say "this machine has all of $TOOLS"
