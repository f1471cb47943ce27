#!/usr/bin/env bash
# A program in a module of its own, with a vendor directory: the README's first example builds and runs.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export GOFLAGS='' GOWORK=off
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
module=$(cd "$root" && go list -m)

cd "$tmp"
awk '/^```go$/ { on = 1; next } /^```/ && on { exit } on' "$root/README.md" >main.go
[[ -s main.go ]] || { echo 'README.md has no Go example'; exit 1; }
go mod init example.com/consumer 2>/dev/null
cp "$root/go.sum" .
go mod edit -require="$module@v0.0.0" -replace="$module=$root"
go mod tidy
go mod vendor
go build -mod=vendor -o consumer .
timeout 60 ./consumer
