#!/usr/bin/env bash
# Stands in front of a program on the PATH, for the rehearsal of faults. It notes each
# call that a script of the project makes, and where it is told to, fails the call or
# kills the script. All it needs is beside its folder, as asmcli runs without an environment:
#
#   trace     a line a call: SCRIPT NUMBER TOOL
#   counts/   a folder a call: PROCESS.NUMBER
#   plan      SCRIPT NUMBER fail|kill: what is to happen once, at whichever script comes first
set -u
folder="$(cd "$(dirname "$0")" && pwd)"
home="${folder%/*}"
tool="${0##*/}"
PATH="${PATH//"$folder:"/}"

name_of() { # PID: the script that a shell runs
  tr '\0' '\n' <"/proc/$1/cmdline" 2>/dev/null | sed -nE 's#^.*/([a-z-]+\.sh|asmcli)$#\1#p' | head -n 1
}

parent_of() {
  sed -nE 's/^PPid:\t//p' "/proc/$1/status" 2>/dev/null
}

script="$(name_of "$PPID")"
if [[ -n "$script" ]]; then
  top="$PPID" # a subshell looks like its script
  while parent="$(parent_of "$top")" && [[ "$(name_of "$parent")" == "$script" ]]; do
    top="$parent"
  done
  number=1 # in a pipeline two calls are made at once
  until mkdir "$home/counts/$top.$number" 2>/dev/null; do
    number="$((number + 1))"
  done
  printf '%s %s %s\n' "$script" "$number" "$tool" >>"$home/trace"
  read -r planned at action 2>/dev/null <"$home/plan" || true
  if [[ "${planned-}" == "$script" && "${at-}" == "$number" ]] && mv "$home/plan" "$home/taken" 2>/dev/null; then
    if [[ "$action" == kill ]]; then
      kill -KILL "$top"
    fi
    printf '%s: failed on purpose\n' "$tool" >&2
    exit 1
  fi
fi
exec "$tool" "$@"
