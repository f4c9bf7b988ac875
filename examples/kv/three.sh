#!/bin/sh
# Three servers of examples/kv.c on this machine, until interrupted: sh examples/kv/three.sh [FIRST_PORT], which `make kv` does.
port=${1:-7001}
COOKIE=${COOKIE:-make-kv} # of a cluster that others can reach: a long one, that nobody guesses
export COOKIE
pids=
trap 'kill -9 $pids 2>/dev/null' INT TERM HUP
command() {
    echo "PORT=$((port + $1 - 1)) QUORUM=2 build/kv kv$1@127.0.0.1 gossip:?if=lo&interval=300ms&allow=127.0.0.1"
}
for i in 1 2 3; do
    env $(command $i) & # the shell looks for files that match the URL's question mark; there are none
    pids="$pids $!"
done
sleep 1
for pid in $pids; do
    if ! kill -0 "$pid" 2>/dev/null; then
        kill -9 $pids 2>/dev/null
        wait
        echo "kv: not all three could start; other ports: make kv PORT=7101" >&2
        exit 3
    fi
done
set -- $pids
cat <<END

Three servers run. In another terminal:

    redis-cli -c -p $port set hello world
    redis-cli -c -p $((port + 1)) get hello
    redis-benchmark --cluster -p $port -t set,get -r 10000 -q
    look at http://127.0.0.1:$port/

    kill -TERM $2     the second one hands its shards over, and leaves
    kill -9 $3        the third one dies: its keys are gone, its shards begin anew
    COOKIE=$COOKIE $(command 3 | sed "s/gossip:.*/'&'/")
                    it comes back

Ctrl-C ends them.

END
wait
wait
