{{/* The configuration of the OpenTelemetry Collector: include "longshore.otlp" .Values.logs.otlp. */}}
{{- define "longshore.otlp" -}}
{{- $otlp := . -}}
extensions:
  file_storage:
    directory: /var/lib/otelcol
    create_directory: true
    # A file whose end was lost with the power is begun anew.
    recreate: true
    compaction:
      directory: /var/lib/otelcol
      on_rebound: true
  health_check:
    endpoint: 0.0.0.0:13133
  {{- range $at, $target := $otlp.targets }}
  {{- with $target.token }}
  bearertokenauth/{{ $at }}:
    filename: /etc/otelcol-token/{{ $at }}/token
    {{- with .header }}
    header: {{ . }}
    {{- end }}
    {{- if hasKey . "scheme" }}
    scheme: {{ .scheme | quote }}
    {{- end }}
  {{- end }}
  {{- end }}
receivers:
  file_log:
    include:
      {{- range $directory := $otlp.podLogs }}
      {{- range $otlp.namespaces }}
      - {{ printf "%s/%s_*/*/*.log" $directory . }}
      {{- end }}
      {{- end }}
    include_file_name: false
    include_file_path: true
    # What a pod said before this one began to look; how far it came is kept.
    start_at: beginning
    storage: file_storage
    # Lines wait in the kubelet's files when the queue is full.
    retry_on_failure:
      enabled: true
      max_elapsed_time: 0s
    operators:
      # The path has the namespace, the pod and the container, and each line its moment.
      - type: container
        format: containerd
      - type: json_parser
        if: body matches "^{.*}$"
        # A shop's record says its own time, which may be years ago: the agent's counts.
        timestamp:
          parse_from: attributes.timestamp
          layout_type: gotime
          layout: "2006-01-02T15:04:05.999999999Z07:00"
          on_error: send_quiet
        on_error: send_quiet
      - type: severity_parser
        if: attributes.severity != nil
        parse_from: attributes.severity
        preset: default
        mapping: {info: [notice], warn: [warning]}
        on_error: send_quiet
      - type: move
        if: attributes.message != nil
        from: attributes.message
        to: body
exporters:
  {{- range $at, $target := $otlp.targets }}
  otlp_http/{{ $at }}:
    endpoint: {{ $target.endpoint | quote }}
    {{- with $target.headers }}
    headers:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- if $target.token }}
    auth:
      authenticator: bearertokenauth/{{ $at }}
    {{- end }}
    {{- if $target.ca }}
    tls:
      ca_file: /etc/otelcol-ca/{{ $at }}/ca.crt
    {{- end }}
    retry_on_failure:
      # A target that is back gets what waited within this time; nothing is given up.
      max_interval: 10s
      max_elapsed_time: 0s
    sending_queue:
      storage: file_storage
      sizer: bytes
      queue_size: {{ mul (int64 $otlp.queueMb) 1000000 }}
      block_on_overflow: true
      batch:
        flush_timeout: 1s
        sizer: bytes
        min_size: 262144
        max_size: 1048576
  {{- end }}
service:
  extensions:
    - file_storage
    - health_check
    {{- range $at, $target := $otlp.targets }}
    {{- if $target.token }}
    - bearertokenauth/{{ $at }}
    {{- end }}
    {{- end }}
  pipelines:
    logs:
      receivers: [file_log]
      exporters:
        {{- range $at, $_ := $otlp.targets }}
        - otlp_http/{{ $at }}
        {{- end }}
  telemetry:
    logs:
      encoding: json
    metrics:
      readers:
        - pull:
            exporter:
              prometheus:
                host: 0.0.0.0
                port: 8888
{{- end }}
