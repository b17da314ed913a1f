# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the kube_*.sh tests share: kube_probe, built against the library under test. Sourced after
# lib_run.sh.
probe=$WORK/kube_probe

build_probe() {
    local libs
    libs=$(pkg-config --libs libcurl json-c yaml-0.1 libevent libevent_openssl libevent_pthreads \
        openssl libnghttp2)
    # shellcheck disable=SC2086
    ${CC:-gcc} -std=gnu17 -D_GNU_SOURCE -O1 -g -pthread -I"$root/pkg" -o "$probe" \
        "$root/tests/integration/kube_probe.c" "$root/build/release/libsteelyard.a" $libs -lm
}
# says TEXT COMMAND...: the command's output holds TEXT, whatever its status.
says() {
    local text=$1 out
    shift
    out=$("$@" 2>&1) || true
    [[ $out == *"$text"* ]] || { echo "got '$out', want '$text'" && return 1; }
}
