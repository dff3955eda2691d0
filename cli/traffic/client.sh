#!/bin/sh
# Sends requests with curl from where it runs, a pod of the mesh, and prints each response.
# `mesh` sends it there and reads it.
#
#   sh -c "$(cat client.sh)" client URL PROTOCOL MARK SECONDS PIECE PAUSE EVERY HOST PORT MIRROR CONNECT COUNT...
#
#   PROTOCOL grpc for gRPC: an empty message in HTTP/2; any other for HTTP
#   MARK     begins the line of a response: MARK STATUS SECONDS CURL'S-EXIT-STATUS CURL'S-MESSAGE
#            (for gRPC, a line "grpc-status: NUMBER" precedes it), and the line of the counters
#   SECONDS  timeout of a request
#   PIECE    how many requests one curl sends, one after the other
#   PAUSE    seconds after each piece
#   EVERY    seconds between two lines of counters; 0 for none: MARK counters ADDRESS=LOCALITY=NUMBER...
#   HOST     name of the service that the counters are about
#   PORT     its port
#   MIRROR   subset of the service that gets copies of requests, which do not count; may be empty
#   CONNECT  address that requests go to, in place of that of the URL's host; may be empty
#   COUNT    requests of one worker; there are as many workers as counts
#
# Several workers print at the same time, so that a piece is printed at once, and is less than a pipe takes at once.
# Ends when its standard input does: the CLI may have ended.
set -u

url=$1 protocol=$2 mark=$3 seconds=$4 piece=$5 pause=$6 every=$7 host=$8 port=$9 mirror=${10} connect=${11}
shift 11

if ! command -v curl >/dev/null 2>&1; then
  echo "curl is not installed in the client pod" >&2
  exit 127
fi

# send NUMBER: sends requests over one connection, where the server keeps it.
send() {
  # The part behind # is never sent: it only counts.
  set -- --silent --output /dev/null --max-time "$seconds" ${connect:+--connect-to "::$connect:"} \
    --write-out "\n$mark %{http_code} %{time_total} %{exitcode} %{errormsg}\n" "$url#[1-$1]"
  if [ "$protocol" = grpc ]; then
    # An empty message: not compressed, and of length 0. The status is in a trailer.
    printf '\000\000\000\000\000' | curl --http2-prior-knowledge --data-binary @- \
      --header 'content-type: application/grpc' --header 'te: trailers' --dump-header - "$@" |
      grep -e "^$mark" -e '^grpc-status:'
  else
    curl "$@"
  fi
}

# work COUNT: it also ends with the shell that started it.
work() {
  left=$1
  while [ "$left" -gt 0 ] && kill -0 "$$" 2>/dev/null; do
    now=$piece
    [ "$now" -le "$left" ] || now=$left
    printf '%s\n' "$(send "$now")"
    left=$((left - now))
    [ "$pause" = 0 ] || sleep "$pause"
  done
}

# read_counters: how many responses other than errors the proxy of this pod had from each endpoint of the service.
read_counters() {
  clusters=$(curl --silent --max-time "$seconds" http://127.0.0.1:15000/clusters) || return
  printf '%s\n' "$clusters" | awk -F:: -v mark="$mark" -v host="$host" -v port="$port" -v mirror="$mirror" '
    split($1, of, "|") == 4 && of[1] == "outbound" && of[2] == port && of[4] == host && (mirror == "" || of[3] != mirror) {
      if ($3 == "region") region[$2] = $4
      if ($3 == "rq_success") succeeded[$2] += $4
    }
    END {
      line = mark " counters"
      for (one in succeeded) line = line " " one "=" region[one] "=" succeeded[one]
      print line
    }'
}

exec 3<&0
{
  cat <&3 >/dev/null
  kill "$$"
} >/dev/null 2>&1 &
watcher=$!

counter=
if [ "$every" != 0 ]; then
  read_counters
  while kill -0 "$$" 2>/dev/null; do
    sleep "$every" >/dev/null 2>&1
    read_counters
  done </dev/null &
  counter=$!
fi
# A server without the method responds with 12, which counts as an error of the pod, and some errors make the proxies
# send nothing there for a while. So the first request goes alone.
if [ "$protocol" = grpc ]; then
  found=$(send 1)
  case $found in
  *"grpc-status: 12"*)
    echo "the service does not implement the method (gRPC status 12)" >&2
    [ -z "$counter" ] || kill "$counter" 2>/dev/null
    kill "$watcher" 2>/dev/null
    exit 1
    ;;
  esac
  printf '%s\n' "$found"
  first=$1
  shift
  set -- "$((first - 1))" "$@"
fi
workers=
for count in "$@"; do
  work "$count" </dev/null &
  workers="$workers $!"
done
for worker in $workers; do
  wait "$worker"
done
if [ -n "$counter" ]; then
  kill "$counter" 2>/dev/null
  wait "$counter" 2>/dev/null
  read_counters
fi
kill "$watcher" 2>/dev/null
exit 0
