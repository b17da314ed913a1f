#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# pkg/kube over TLS and HTTP/2 against an API server that cuts, freezes, dribbles, rotates and
# lies (tests/fakeapi): lost answers of binds are settled, watches go on without a new list, tokens
# are taken up, odd streams do no harm.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"
# shellcheck source=tests/integration/lib_kube.sh
. "$(dirname "$0")/lib_kube.sh"

build_probe
(cd "$root/tests/fakeapi" && GOWORK=off go build -buildvcs=false -o "$WORK/fakeapi" .)

# It ends when this script does, since its standard input then ends.
fake() { # FLAGS...
    coproc FAKE { exec "$WORK/fakeapi" --exit-with-stdin "$@"; }
    local line control=''
    while read -r -u "${FAKE[0]}" line && [[ $line != ready ]]; do
        case $line in
        kubeconfig=*) export KUBECONFIG=${line#*=} ;;
        control=*) control=${line#*=} ;;
        esac
    done
    fake_control=$control
}
unfake() {
    kill "$FAKE_PID" 2>/dev/null || true
    wait "$FAKE_PID" 2>/dev/null || true
}
control() { curl -fsS -m 5 -X "$1" "$fake_control/$2"; }
# The pods, as "binds" wants them.
targets() { "$probe" -j dump pods | sed -n 's/^uid="\([^"]*\)" namespace="\([^"]*\)" name="\([^"]*\)".*/\2 \3 \1 node-1/p'; }
uid_of() { targets | awk -v n="$1" '$2 == n { print $3 }'; }
follow() { # SECONDS
    "$probe" -j follow pods "$1" >"$WORK/follow.log" 2>&1 &
    follower=$!
}
followed() { grep -q -- "$1" "$WORK/follow.log"; }
unfollow() {
    kill "$follower" 2>/dev/null || true
    wait "$follower" 2>/dev/null || true
}

fake --nodes 3 --pods 40 --scheduler steelyard --token first
uid=$(uid_of pod-0)
check "pods are there" test -n "$uid"
"$probe" -j dump pods | sort >"$WORK/plain"

# ---- lists ----
control POST '_mode?name=bytewise' >/dev/null
check "a byte at a time gives the same" cmp "$WORK/plain" <("$probe" -j dump pods | sort)
check "and as a list" cmp "$WORK/plain" <("$probe" -j -l dump pods | sort)
control DELETE _fault >/dev/null
control POST '_mode?name=throttle' >/dev/null
check "throttling is waited for" says '200 0 1' "$probe" -j wait /api/v1/nodes 3
control DELETE _fault >/dev/null

# ---- binds ----
control POST '_mode?name=bind-cut-after' >/dev/null
"$probe" -j bind default pod-0 "$uid" node-1 >"$WORK/bind.log" 2>&1 || true
check "a bind whose answer is lost is settled" says 'OK 0' cat "$WORK/bind.log"
check "it was unknown first" says 'UNKNOWN 0' head -n 1 "$WORK/bind.log"
control DELETE _fault >/dev/null
check "it is bound once" equal "$(control GET _bound | grep -c pod-0)" 1
control POST '_mode?name=goaway' >/dev/null
targets | grep -v ' pod-0 ' >"$WORK/targets"
check "binds over dying connections all get there" says ', 0 bad' \
    "$probe" -j binds 16 events <"$WORK/targets"
check "at the server too" equal "$(control GET _bound | wc -l)" 40
control DELETE _fault >/dev/null

# ---- tokens ----
"$probe" -j wait /api/v1/nodes 5 >"$WORK/wait.log" 2>&1 &
waiter=$!
sleep 1.5
control POST '_token?value=another' >/dev/null
wait $waiter || true
check "a rotated token is taken up within one call" says '200 0 2' cat "$WORK/wait.log"
check "no call failed" equal "$(grep -vc '^200 0' "$WORK/wait.log")" 0

# ---- watches ----
follow 60
check "the watch is up" within 5 followed LIVE
control POST _cut >/dev/null
check "a reset is noticed" within 3 followed ERROR
control DELETE '_object?resource=pods&namespace=default&name=pod-1' >/dev/null
check "the watch goes on after a reset" within 8 followed 'DELETED default/pod-1'
check "without a new list" equal "$(grep -c REPLACE "$WORK/follow.log")" 1
control POST _freeze?new >/dev/null
frozen=$SECONDS
down_twice() { (($(grep -c DOWN "$WORK/follow.log") >= 2)); }
check "a hung server is noticed within 10 s" within 10 down_twice
echo "# noticed after $((SECONDS - frozen)) s"
control POST _thaw >/dev/null
control DELETE '_object?resource=pods&namespace=default&name=pod-2' >/dev/null
check "the watch goes on after a hang" within 8 followed 'DELETED default/pod-2'
check "still without a new list" equal "$(grep -c REPLACE "$WORK/follow.log")" 1
unfollow
control POST '_mode?name=watch-410' >/dev/null
follow 30
within 5 followed SYNCED
control DELETE '_object?resource=pods&namespace=default&name=pod-3' >/dev/null
control DELETE '_object?resource=pods&namespace=default&name=pod-4' >/dev/null
gone() { ! followed 'ADDED default/pod-4' || followed 'DELETED default/pod-4' || (($(grep -c SYNCED "$WORK/follow.log") > 1)); }
check "an expired watch lists again" within 8 gone
unfollow
control DELETE _fault >/dev/null

control POST '_mode?name=big-object' >/dev/null
check "a pod of 5 MB does no harm" within 5 "$probe" -j dump pods
control DELETE _fault >/dev/null
unfake
