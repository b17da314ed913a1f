#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The demo as a user sees it: its exit status says that every pod that fits was bound, none that
# does not was, and that each waiting pod has a reason. Here also: the report is whole, and nothing
# is left behind, neither at the end nor after an interrupt.
set -uo pipefail

rc=0
result() { # result STATUS TEXT
    if (($1 == 0)); then
        echo "ok - $2"
    else
        echo "not ok - $2"
        rc=1
    fi
}
left_behind() { # the cluster of demo process $1
    "$CLUSTER" status --name "demo-$1" 2>/dev/null | grep -qv 'not up' && return 0
    pgrep -f -- "steelyard run .*/demo-$1/" >/dev/null
}

COLOR=0 hack/demo.sh >"$WORK/out" 2>"$WORK/err" &
demo=$!
wait "$demo"
status=$?
cat "$WORK/out"
((status == 0)) || cat "$WORK/err"
result $status "the demo succeeds"
for part in '^500 pods on 100 nodes' '^cannot fit  *26  *0  *26$' '^waiting, and why$' \
    '^  10 pods  0/100 nodes are available: 100 Insufficient nvidia.com/gpu' \
    '^GPUs  *452.0  *800.0  *56.5$' '^deciding on a node .*s$'; do
    grep -q -- "$part" "$WORK/out"
    result $? "the report has: $part"
done
! left_behind "$demo"
result $? "nothing is left behind"

# A shell's background jobs ignore SIGINT; its SIGTERM goes the same way.
COLOR=0 hack/demo.sh >"$WORK/out2" 2>"$WORK/err2" &
demo=$!
for _ in {1..600}; do
    grep -q '^applying' "$WORK/out2" && break
    kill -0 "$demo" 2>/dev/null || break
    sleep 0.1
done
kill -TERM "$demo"
wait "$demo"
[[ $? == 143 ]]
result $? "an interrupted demo says so by its status"
! left_behind "$demo"
result $? "nothing is left behind after an interrupt"
exit $rc
