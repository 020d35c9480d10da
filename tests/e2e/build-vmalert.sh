#!/usr/bin/env bash
# Builds vmalert, which evaluates alert rules on VictoriaLogs, and prints its path.
exec "$(dirname "${BASH_SOURCE[0]}")/build-go.sh" vmalert github.com/VictoriaMetrics/VictoriaMetrics/app/vmalert victoria
