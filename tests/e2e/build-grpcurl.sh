#!/usr/bin/env bash
# Builds grpcurl and prints its path.
exec "$(dirname "${BASH_SOURCE[0]}")/build-go.sh" grpcurl github.com/fullstorydev/grpcurl/cmd/grpcurl
