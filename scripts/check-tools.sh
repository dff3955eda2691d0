#!/usr/bin/env bash
# Looks, before anything is made, whether this machine has what the scripts need; names all
# that it lacks, and what to do where nothing can be installed.
#
# Inputs, by environment, besides those of lib.sh:
#   TOOLS          names of programs, with spaces between them
#   CONTROL_PLANE  the way to the mesh that needs them, as mesh.control_plane says it

# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

: "${TOOLS:?}" "${CONTROL_PLANE:?}"

# In a subshell, which it ends: there is more to say.
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
The mesh is made by scripts on the machine that runs terraform, as mesh.control_plane is
$CONTROL_PLANE. Where that machine can't have the tools, as on those of Terraform Cloud, either
  - set mesh.control_plane: fleet, which needs none (docs/control-planes.md), or
  - run terraform on agents: machines of yours that have them, best in the VPC
    (backend.execution: agent; docs/backends.md).
EOF
  die "nothing was made"
fi
say "this machine has all of $TOOLS"
