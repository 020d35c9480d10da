#!/usr/bin/env bash
# Builds Helm and prints its path.
exec "$(dirname "${BASH_SOURCE[0]}")/build-go.sh" helm helm.sh/helm/v3/cmd/helm
