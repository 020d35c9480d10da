#!/usr/bin/env bash
# Builds kubecheck, which checks Kubernetes' manifests, and prints its path.
exec "$(dirname "${BASH_SOURCE[0]}")/build-go.sh" kubecheck ./kubecheck helm
