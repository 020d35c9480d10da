#!/usr/bin/env bash
# Builds gofakes3, an S3 server that keeps its objects in memory, and prints its path.
exec "$(dirname "${BASH_SOURCE[0]}")/build-go.sh" gofakes3 github.com/johannesboyne/gofakes3/cmd/gofakes3
