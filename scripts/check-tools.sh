#!/usr/bin/env bash
# Checks, before anything is created, that this machine has the tools that the scripts need.
# Names every missing tool, and the alternatives for machines where no tool can be installed.
#
# Inputs, as environment variables, in addition to those of lib.sh:
#   TOOLS          names of programs, separated by spaces
#   CONTROL_PLANE  control plane mode that needs them

# Exit if the library is missing.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${TOOLS:?}" "${CONTROL_PLANE:?}"

# In a subshell, because require_tools exits and more messages follow.
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
the mesh. If the tools can't be installed there, as on Terraform Cloud's own machines, either
  - set mesh.control_plane: fleet, which needs no tools (docs/control-plane-modes.md), or
  - run terraform on agents: your own machines with the tools, best inside the VPC
    (backend.execution: agent; docs/backends.md).
EOF
  die "nothing was created"
fi
say "all tools are installed: $TOOLS"
