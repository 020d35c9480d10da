#!/usr/bin/env bash
# Builds Jaeger and prints its path.
exec "$(dirname "${BASH_SOURCE[0]}")/build-go.sh" jaeger github.com/jaegertracing/jaeger/cmd/jaeger
