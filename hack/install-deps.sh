#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian packages that the build and its tests need and that are missing, when this
# user can (root, or sudo without a password); else names them and stops. Checks that Go is new
# enough. Quiet when all is there.
set -euo pipefail

packages=(build-essential pkg-config libcurl4-openssl-dev libjson-c-dev libyaml-dev libssl-dev
    libcmocka-dev libevent-dev libnghttp2-dev clang clang-format clang-tidy libclang-rt-14-dev git
    ca-certificates jq curl prometheus valgrind shellcheck buildah bubblewrap chromium)
go_least=26

missing=()
if command -v dpkg-query >/dev/null; then
    installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 2>/dev/null |
        awk '$1 == "ii" { print $2 }')
    for p in "${packages[@]}"; do
        grep -qxF -- "$p" <<<"$installed" || missing+=("$p")
    done
else
    echo "deps: this is not Debian: install what answers to: ${packages[*]}" >&2
fi

if ((${#missing[@]})); then
    as_root=()
    if (($(id -u) != 0)); then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
            as_root=(sudo -n)
        else
            echo "deps: missing packages; as root run: apt-get install -y ${missing[*]}" >&2
            exit 1
        fi
    fi
    echo "deps: installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    if ! "${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1; then
        "${as_root[@]}" apt-get update -qq
        "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
fi

if ! command -v go >/dev/null; then
    echo "deps: Go 1.$go_least or newer is not on PATH (https://go.dev/dl/); the local control plane is built with it" >&2
    exit 1
fi
have=$(GOTOOLCHAIN=local go env GOVERSION)
minor=${have#go1.}
minor=${minor%%[!0-9]*}
if [[ $have != go1.* ]] || ((${minor:-0} < go_least)); then
    echo "deps: Go 1.$go_least or newer is needed, this is $have (https://go.dev/dl/)" >&2
    exit 1
fi
