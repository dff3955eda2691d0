#!/bin/sh
# Sends requests with curl from where it runs, the demo's client in a cluster, and
# prints each response as it arrives. `mesh` sends it there and reads it.
#
#   sh -c "$(cat client.sh)" client URL MARK SECONDS PIECE PAUSE COUNT...
#
#   MARK     begins the line that ends a response: MARK STATUS SECONDS CURL'S-EXIT-STATUS CURL'S-MESSAGE
#   SECONDS  timeout of a request
#   PIECE    how many requests one curl sends, one after the other
#   PAUSE    seconds after each piece
#   COUNT    requests of one worker; there are as many workers as counts
#
# Every line begins with the number of its worker, as several print at the same time.
# Ends when its standard input does: the CLI may have ended.
set -u

url=$1 mark=$2 seconds=$3 piece=$4 pause=$5
shift 5

if ! command -v curl >/dev/null 2>&1; then
  echo "curl is not installed in the client pod" >&2
  exit 127
fi

# work COUNT: it also ends with the shell that started it.
work() {
  left=$1
  while [ "$left" -gt 0 ] && kill -0 "$$" 2>/dev/null; do
    now=$piece
    [ "$now" -le "$left" ] || now=$left
    # The part behind # is never sent: it only counts.
    curl --silent --no-buffer --max-time "$seconds" \
      --write-out "\n$mark %{http_code} %{time_total} %{exitcode} %{errormsg}\n" "$url#[1-$now]"
    left=$((left - now))
    [ "$pause" = 0 ] || sleep "$pause"
  done
}

# number NUMBER: puts it before every line, each written at once.
number() {
  while IFS= read -r line; do
    printf '%s %s\n' "$1" "$line" || exit
  done
}

exec 3<&0
{
  cat <&3 >/dev/null
  kill "$$"
} >/dev/null 2>&1 &
watcher=$!

workers=
index=0
for count in "$@"; do
  work "$count" </dev/null | number "$index" &
  workers="$workers $!"
  index=$((index + 1))
done
for worker in $workers; do
  wait "$worker"
done
kill "$watcher" 2>/dev/null
exit 0
