{{/* A job of Prometheus that finds pods as a PodMonitor does, and gives their figures the same labels:
include "longshore.scrape" (dict "root" $ "job" "longshore-watch" "namespace" "watch" "component" "watch" "port" "api"). */}}
{{- define "longshore.scrape" -}}
- job_name: {{ .job }}
  {{- with .params }}
  params:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  kubernetes_sd_configs:
    - role: pod
      {{- with .namespace }}
      namespaces:
        names: [{{ . }}]
      {{- end }}
      selectors:
        - role: pod
          label: {{ .label | default (printf "app.kubernetes.io/managed-by=longshore,app.kubernetes.io/component=%s" .component) }}
  relabel_configs:
    - source_labels: [__meta_kubernetes_pod_container_port_name]
      action: keep
      regex: {{ .port }}
    - source_labels: [__meta_kubernetes_pod_phase]
      action: drop
      regex: Succeeded|Failed
    {{- range $label, $source := dict "container" "container_name" "namespace" "namespace" "pod" "name" }}
    - source_labels: [__meta_kubernetes_{{ if eq $label "namespace" }}namespace{{ else }}pod_{{ $source }}{{ end }}]
      target_label: {{ $label }}
    {{- end }}
    {{- with .relabel }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .keep }}
  metric_relabel_configs:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
