{{/* The routes to a receiver: of each shop's alerts one message, of others one for each alert. */}}
{{- define "longshore.route" -}}
{{- $severity := printf "severity=~\"%s\"" (join "|" (.severities | default (list "critical" "warning"))) }}
- receiver: {{ .name }}
  continue: true
  matchers: ['{{ $severity }}', 'shop!=""']
  group_by: [shop]
- receiver: {{ .name }}
  continue: true
  matchers: ['{{ $severity }}', 'shop=""']
{{- end }}
