#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by the runners. One line per program in build/results/<suite>.tsv:
# name, passed, failed, skipped. hack/run-test adds them up.

results_dir=${RESULTS_DIR:-build/results}

# results_begin SUITE: forgets the suite's last results.
results_begin() {
    mkdir -p "$results_dir"
    : >"$results_dir/$1.tsv"
}

# results_add SUITE NAME PASSED FAILED [SKIPPED]
results_add() {
    mkdir -p "$results_dir"
    printf '%s\t%d\t%d\t%d\n' "$2" "$3" "$4" "${5:-0}" >>"$results_dir/$1.tsv"
}

# results_line SUITE: one line for a person; non-zero when anything failed.
results_line() {
    awk -F '\t' -v suite="$1" '
        { n++; p += $2; f += $3; s += $4 }
        END {
            printf "%s: %d programs, %d passed, %d failed", suite, n, p, f
            if (s) printf ", %d skipped", s
            printf "\n"
            exit f > 0
        }' "$results_dir/$1.tsv"
}
