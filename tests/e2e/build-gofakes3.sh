#!/usr/bin/env bash
# Builds gofakes3, an S3 server that keeps its objects in memory, from the sources that gofakes3/go.mod and
# go.sum pin, into target/e2e/gofakes3, and prints its path. Needs Go 1.26 or newer; does nothing when it is
# up to date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

program=$PWD/target/e2e/gofakes3
newer() { find tests/e2e/gofakes3 -type f -newer "$program" | grep -q .; }
if [ ! -x "$program" ] || newer; then
    command -v go >/dev/null || { echo "build-gofakes3: needs Go 1.26 or newer (https://go.dev/dl)" >&2; exit 1; }
    mkdir -p "${program%/*}"
    # By a new name first: a build that is interrupted leaves no half of a program.
    (cd tests/e2e/gofakes3 && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags='-s -w' -o "$program.new" \
        github.com/johannesboyne/gofakes3/cmd/gofakes3) >&2
    mv "$program.new" "$program"
fi
echo "$program"
