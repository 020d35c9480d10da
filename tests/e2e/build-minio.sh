#!/usr/bin/env bash
# Builds MinIO, an S3 server that is faster than what it is to measure, into target/e2e/minio, and prints its
# path. Needs Go 1.26 or newer and takes some minutes; does nothing when it is up to date. A server for tests
# and measurements only: its licence is the AGPL, and nothing of it goes into what qtrail ships.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# The module's go.sum pins all below it; the checksum data base pins this.
version=v0.0.0-20260212201848-7aac2a2c5b7c
program=$PWD/target/e2e/minio
if [ ! -x "$program" ] || [ tests/e2e/build-minio.sh -nt "$program" ]; then
    command -v go >/dev/null || { echo "build-minio: needs Go 1.26 or newer (https://go.dev/dl)" >&2; exit 1; }
    mkdir -p "${program%/*}"
    # Outside of any module, so that nothing here has a say; the answer's "Dir" is where the sources are.
    sources=$(cd "${program%/*}" && GOWORK=off go mod download -json "github.com/minio/minio@$version" |
        sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    [ -d "$sources" ] || { echo "build-minio: no sources of MinIO $version" >&2; exit 1; }
    # By a new name first: a build that is interrupted leaves no half of a program.
    (cd "$sources" && CGO_ENABLED=0 nice go build -mod=readonly -trimpath -ldflags='-s -w' -o "$program.new" .) >&2
    mv "$program.new" "$program"
fi
echo "$program"
