#!/usr/bin/env bash
# Wraps a program on the PATH, for the rehearsal of faults. It records each call by a script of the
# project; the planned call fails, or the script is killed at it. All that it needs is beside its
# folder, as asmcli clears the environment:
#
#   trace     a line for each call: SCRIPT NUMBER TOOL
#   counts/   a folder for each call: PROCESS.NUMBER
#   plan      SCRIPT NUMBER fail|kill: happens once, to the first such call
set -u
folder="$(cd "$(dirname "$0")" && pwd)"
home="${folder%/*}"
tool="${0##*/}"
PATH="${PATH//"$folder:"/}"

name_of() { # PID: prints the name of the script that a shell runs
  tr '\0' '\n' <"/proc/$1/cmdline" 2>/dev/null | sed -nE 's#^[^ ]*/([a-z-]+\.sh|asmcli)$#\1#p' | head -n 1
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
