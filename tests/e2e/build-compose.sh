#!/usr/bin/env bash
# Builds the Compose Specification's own parser, and prints its path.
exec "$(dirname "${BASH_SOURCE[0]}")/build-go.sh" compose github.com/compose-spec/compose-go/v2/cmd compose
