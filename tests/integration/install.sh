#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What `make install` installs: the program, the kubectl plugin, manual pages and completion.
# shellcheck source=tests/integration/lib_run.sh
. "$(dirname "$0")/lib_run.sh"

prefix=$WORK/usr
installs() { make -s -C "$root" install PREFIX="$prefix" >"$WORK/said" 2>&1 || { cat "$WORK/said" && return 1; }; }
check "make install" installs || finish
((failed)) && finish
export PATH=$prefix/bin:$PATH
commands=$(steelyard --help | sed -n 's/^  \([a-z]*\)  .*/\1/p')

has_pages() {
    local c
    for c in '' $commands; do
        [[ -s $prefix/share/man/man1/steelyard${c:+-$c}.1 ]] || { echo "no page of $c" && return 1; }
    done
}
check "every command has a manual page" has_pages
whole() {
    local c
    for c in $commands; do
        steelyard "$c" --help | grep -oE -- '--[a-z][a-z-]+' | sort -u >"$WORK/flags"
        sed 's/\\-/-/g' "$prefix/share/man/man1/steelyard-$c.1" | grep -oE -- '--[a-z][a-z-]+' | sort -u >"$WORK/paged"
        diff "$WORK/flags" "$WORK/paged" || return 1
    done
}
check "with every flag" whole
if command -v nroff >/dev/null; then
    clean() { nroff -man -ww "$prefix"/share/man/man1/*.1 2>"$WORK/said" >/dev/null; cat "$WORK/said"; }
    check "that nroff has nothing against" equal "$(clean)" ''
fi

# completes LINE: what bash would offer at its end.
completes() {
    bash -c '
        . "$1"
        read -ra COMP_WORDS <<<"$2"
        [[ $2 == *" " ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _steelyard
        echo "${COMPREPLY[*]}"' _ "$prefix/share/bash-completion/completions/steelyard" "$1"
}
check "commands are completed" equal "$(completes 'steelyard exp')" explain
check "and flags" equal "$(completes 'steelyard run --log-f')" --log-format
check "an unknown shell is refused" equal "$(steelyard completion fish 2>&1 | head -n 1)" \
    'steelyard completion: there is no script for "fish"; see `steelyard completion --help`'

kubectl=$("$CLUSTER" path kubectl)
check "kubectl finds the plugin" equal "$("$kubectl" plugin list 2>/dev/null | grep -c kubectl-steelyard)" 1
check "and runs it" equal "$("$kubectl" steelyard version | head -n 1)" "$(steelyard version | head -n 1)"
finish
