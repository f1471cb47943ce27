#!/usr/bin/env bash
# An edit of only a header or only the option rows rebuilds the C core and the Go package above it. The Go tool does not
# know of these files by itself; csrc.go tells it. Works on a copy.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export GOFLAGS='' GOWORK=off
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
tar -c -C "$root" --exclude=./.git --exclude=./build/out . | tar -x -C "$tmp"
cd "$tmp"
module=$(go list -m)
mkdir probe
printf 'package main\n\nimport _ "%s"\n\nfunc main() {}\n' "$module" >probe/main.go

# rebuilds WHAT: the next build compiles the core and the root package.
rebuilds() {
    go build -v -o probe/probe ./probe 2>built
    for package in "$module/csrc" "$module"; do
        if ! grep -qx "$package" built; then
            echo "an edit of $1 did not rebuild $package"
            exit 1
        fi
    done
}

go build -o probe/probe ./probe
mark=probe-$$-$RANDOM # never built before, so that no cache knows it
sed -i "s/^#define ESOCK_VERSION .*/#define ESOCK_VERSION \"$mark\"/" csrc/esock.h
rebuilds csrc/esock.h
grep -qF "$mark" probe/probe || { echo 'the program has the old version in it'; exit 1; }
for rows in csrc/*.def; do
    printf '/* %s */\n' "$mark" >>"$rows"
    rebuilds "$rows"
done
echo 'rebuilt after each edit'
