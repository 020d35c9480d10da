#!/usr/bin/env bash
# Builds VictoriaLogs, a store of log records, and prints its path.
exec "$(dirname "${BASH_SOURCE[0]}")/build-go.sh" victorialogs github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs victoria
