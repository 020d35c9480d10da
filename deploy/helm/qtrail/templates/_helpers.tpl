{{- define "qtrail.name" -}}
{{- if contains "qtrail" .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-qtrail" .Release.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "qtrail.selector" -}}
app.kubernetes.io/name: qtrail
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "qtrail.labels" -}}
{{ include "qtrail.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "qtrail.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "qtrail.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "qtrail.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* config.yaml: what the values make, and `config` over it. */}}
{{- define "qtrail.config" -}}
{{- $config := dict "export" (dict "endpoint" .Values.export.endpoint) "state" "/state" "telemetry" (dict "http" "0.0.0.0:9465") }}
{{- if eq .Values.mode "s3" }}
{{- $s3 := dict "queues" .Values.s3.queues }}
{{- if .Values.s3.buckets }}{{ $_ := set $s3 "buckets" .Values.s3.buckets }}{{ end }}
{{- $_ := set $config "s3" $s3 }}
{{- else }}
{{- $_ := set $config "directory" (dict "path" .Values.sidecar.path) }}
{{- end }}
{{- toYaml (mergeOverwrite $config (deepCopy .Values.config)) }}
{{- end }}

{{/* The port of the collector, by its URL: as written, else that of OTLP/gRPC. */}}
{{- define "qtrail.collectorPort" -}}
{{- $host := (urlParse .Values.export.endpoint).host }}
{{- $port := regexFind ":[0-9]+$" $host | trimPrefix ":" }}
{{- $port | default (ternary "443" "4317" (hasPrefix "https://" .Values.export.endpoint)) }}
{{- end }}

{{/* What a Deployment and a StatefulSet have in common. */}}
{{- define "qtrail.pod" -}}
metadata:
  labels:
    {{- include "qtrail.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    # Another configuration restarts the pods: qtrail does not reload it.
    checksum/config: {{ include "qtrail.config" . | sha256sum }}
    {{- if not .Values.podMonitor.enabled }}
    prometheus.io/scrape: "true"
    prometheus.io/port: "9465"
    {{- end }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "qtrail.serviceAccount" . }}
  # qtrail never calls Kubernetes. (EKS mounts the token of an IAM role by itself.)
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: qtrail
      image: {{ include "qtrail.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [run, --config, /etc/qtrail/config.yaml]
      {{- if or .Values.env .Values.s3.region }}
      env:
        {{- with .Values.s3.region }}
        - {name: AWS_REGION, value: {{ . | quote }}}
        {{- end }}
        {{- with .Values.env }}{{ toYaml . | nindent 8 }}{{ end }}
      {{- end }}
      {{- with .Values.envFrom }}
      envFrom: {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - {name: telemetry, containerPort: 9465}
      # The first start may read a large state.
      startupProbe:
        httpGet: {path: /livez, port: telemetry}
        periodSeconds: 5
        failureThreshold: 24
      livenessProbe:
        httpGet: {path: /livez, port: telemetry}
        periodSeconds: 10
      # Not ready while the collector is unavailable. No traffic is routed here, so this is only a status.
      readinessProbe:
        httpGet: {path: /readyz, port: telemetry}
        periodSeconds: 10
      resources: {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: config, mountPath: /etc/qtrail, readOnly: true}
        - {name: state, mountPath: /state}
        {{- if eq .Values.mode "sidecar" }}
        - {name: trail, mountPath: {{ .Values.sidecar.path | quote }}{{ if not (dig "directory" "after" "" .Values.config) }}, readOnly: true{{ end }}}
        {{- end }}
    {{- if eq .Values.mode "sidecar" }}
    {{- range .Values.sidecar.containers }}
    {{- $mounts := append (.volumeMounts | default list) (dict "name" "trail" "mountPath" $.Values.sidecar.path) }}
    - {{- toYaml (set (deepCopy .) "volumeMounts" $mounts) | nindent 6 }}
    {{- end }}
    {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "qtrail.name" . }}
    {{- if eq .Values.mode "s3" }}
    # A pod's end loses the duplicate ids, which causes repeats with equal ids, and the dead letters: broken or
    # rejected records, and names of objects that are gone or too large.
    - name: state
      emptyDir: {sizeLimit: 1Gi}
    {{- else }}
    - name: trail
      {{- toYaml .Values.sidecar.volume | nindent 6 }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
