#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The core against kube-scheduler's own plugins: named regressions, fixed cases, and fresh ones
# that nobody has seen. A mix named in `pending` is compared too, but its differences do not fail.
# ORACLE_SEED replays a run; ORACLE_SHARE changes the number of fresh cases (percent of 21,000).
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
dir=$root/tests/oracle
seed=${ORACLE_SEED:-$(($(date +%s) * 1000 + RANDOM % 1000))}
share=${ORACLE_SHARE:-100}
fresh=(core:4000 spread:4000 affinity:4000 resources:3000 volumes:3000 preemption:2000 dra:1000)
pending=''
failed=0
fixed_wanted=5000
declare -A compared=() # cases by kind: regression, fixed, fresh

make -s -C "$root" build/release/oracle-check || exit 1
check=$root/build/release/oracle-check
work=${WORK:-$(mktemp -d)}
[[ -n ${WORK:-} ]] || trap 'rm -rf "$work"' EXIT

# compare MIX WHAT WANTED FILE: one case; FILE may be a pipe.
compare() {
    local mix=$1 what=$2 wanted=$3 file=$4 out=$work/compare.txt last cases differences
    "$check" -k 2 "$file" >"$out" 2>&1
    last=$(tail -n 1 "$out")
    if ! [[ $last =~ ^oracle:\ ([0-9]+)\ cases,\ ([0-9]+)\ differences$ ]]; then
        echo "not ok - $what: $last"
        failed=1
        return
    fi
    cases=${BASH_REMATCH[1]} differences=${BASH_REMATCH[2]}
    compared[${what%% *}]=$((${compared[${what%% *}]:-0} + cases))
    if ((cases < wanted)); then
        echo "not ok - $what: $cases cases of $wanted"
        failed=1
    elif ((differences == 0)); then
        echo "ok - $what: $cases cases, no difference"
    elif [[ $pending == *" $mix "* ]]; then
        echo "not required yet: $what: $differences differences"
    else
        head -n 40 "$out"
        echo "not ok - $what: $differences differences in $cases cases"
        failed=1
    fi
}

for file in "$dir"/regressions/*.jsonl; do
    [[ -e $file ]] && compare - "regression $(basename "$file" .jsonl)" 1 "$file"
done
for file in "$dir"/fixed/*.jsonl.xz; do
    mix=$(basename "$file" .jsonl.xz)
    compare "$mix" "fixed $mix" 1 "$file"
done

echo "fresh cases: ORACLE_SEED=$seed bash tests/integration/oracle.sh makes them again"
"$dir/oracle" --seed "$seed" --cases 1 >/dev/null || exit 1 # builds it
for entry in "${fresh[@]}"; do
    mix=${entry%:*}
    count=$((${entry#*:} * share / 100))
    ((count > 0)) || count=1
    # Piped: both sides work at once, and hundreds of megabytes stay off the disk.
    compare "$mix" "fresh $mix" "$count" <("$dir/oracle" --seed "$seed" --mix "$mix" --cases "$count")
done
if ((${compared[fixed]:-0} < fixed_wanted)); then
    echo "not ok - ${compared[fixed]:-0} fixed cases of $fixed_wanted"
    failed=1
fi
echo "cases: ${compared[fresh]:-0} fresh, ${compared[fixed]:-0} fixed, ${compared[regression]:-0} past differences"
exit "$failed"
