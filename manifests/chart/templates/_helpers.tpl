{{/* Labels of an object, by the component that it belongs to: include "longshore.labels" (list $ "scheduler"). */}}
{{- define "longshore.labels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/name: longshore-scheduler
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end }}

{{/* By which a component's pods are selected. A selector never changes, and a pod is replaced if its labels do, so no version is here. */}}
{{- define "longshore.selector" -}}
app.kubernetes.io/component: {{ . }}
app.kubernetes.io/managed-by: longshore
app.kubernetes.io/name: longshore-scheduler
{{- end }}

{{/* What `helm uninstall` leaves in the cluster, since shops stand on it. */}}
{{- define "longshore.keep" -}}
helm.sh/resource-policy: keep
{{- end }}

{{/* An image by its digest: include "longshore.image" (list $ "scheduler"). */}}
{{- define "longshore.image" -}}
{{- $component := index . 1 -}}
{{- $image := (index (index . 0).Values $component).image -}}
{{- if not $image.digest }}
{{- fail (printf "%s.image.digest is not set: images are named by digest; add --set %s.image.digest=sha256:DIGEST" $component $component) }}
{{- end -}}
{{ $image.repository }}@{{ $image.digest }}
{{- end }}

{{- define "longshore.imagePullSecrets" -}}
{{- with .Values.imagePullSecrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* What the Pod Security level "restricted" asks of a pod that runs as this user. */}}
{{- define "longshore.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* The same of a container, and a root file system that nobody writes to. */}}
{{- define "longshore.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
runAsNonRoot: true
{{- end }}

{{/* A Namespace, by name and component: include "longshore.namespace" (list $ "edge" "edge"). */}}
{{- define "longshore.namespace" -}}
apiVersion: v1
kind: Namespace
metadata:
  name: {{ index . 1 }}
  labels:
    {{- include "longshore.labels" (list (index . 0) (index . 2)) | nindent 4 }}
    pod-security.kubernetes.io/enforce: restricted
  annotations:
    {{- include "longshore.keep" . | nindent 4 }}
{{- end }}

{{/* Not empty if PodMonitors and PrometheusRules are installed. */}}
{{- define "longshore.monitoring" -}}
{{- $asked := .Values.monitoring.operator -}}
{{- if or (eq $asked "always") (and (eq $asked "auto") (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) }}yes{{ end }}
{{- end }}

{{/* Metadata of a PodMonitor or a PrometheusRule: include "longshore.monitored" (list $ "agent"). */}}
{{- define "longshore.monitored" -}}
{{- $root := index . 0 -}}
name: longshore-{{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "longshore.labels" . | nindent 2 }}
  {{- with $root.Values.monitoring.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The image of the edge, by its digest. */}}
{{- define "longshore.edgeImage" -}}
{{- $image := .Values.edge.haproxy.image -}}
{{- if not $image.digest }}
{{- fail "edge.haproxy.image.digest is not set: images are named by digest; add --set edge.haproxy.image.digest=sha256:DIGEST" }}
{{- end -}}
{{ $image.repository }}@{{ $image.digest }}
{{- end }}

{{/* An image by its digest, of values that have one: include "longshore.imageOf" (list .Values.logs.store "logs.store"). */}}
{{- define "longshore.imageOf" -}}
{{- $image := (index . 0).image -}}
{{- $name := index . 1 -}}
{{- if not $image.digest }}
{{- fail (printf "%s.image.digest is not set: images are named by digest; add --set %s.image.digest=sha256:DIGEST" $name $name) }}
{{- end -}}
{{ $image.repository }}@{{ $image.digest }}
{{- end }}

{{/* A claim to a volume that `helm uninstall` keeps: include "longshore.claim" (list $ "logs" "logs" .Values.logs.store.storage). */}}
{{- define "longshore.claim" -}}
{{- $root := index . 0 -}}
{{- $storage := index . 3 -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: longshore-{{ index . 1 }}
  namespace: {{ $root.Values.monitoring.namespace }}
  labels:
    {{- include "longshore.labels" (list $root (index . 2)) | nindent 4 }}
  annotations:
    {{- include "longshore.keep" $root | nindent 4 }}
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: {{ $storage.size }}
  {{- with $storage.className }}
  storageClassName: {{ . }}
  {{- end }}
{{- end }}

{{/* Source of a pod's volume: that claim, or a directory of the pod: include "longshore.volume" (list "logs" storage). */}}
{{- define "longshore.volume" -}}
{{- $storage := index . 1 -}}
{{- if $storage.persistent -}}
persistentVolumeClaim:
  claimName: longshore-{{ index . 0 }}
{{- else -}}
emptyDir:
  sizeLimit: {{ $storage.size }}
{{- end }}
{{- end }}

{{/* Who may connect to what keeps logs, figures and alerts: pods of its namespace, and those of `monitoring.readers`. */}}
{{- define "longshore.readers" -}}
- podSelector: {}
{{- range .Values.monitoring.readers }}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ . }}
{{- end }}
{{- end }}

{{/* Where a pod may run: include "longshore.placement" .Values.prometheus. */}}
{{- define "longshore.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Groups as subjects of a binding: include "longshore.consoleGroups" (list "oidc:operators"). */}}
{{- define "longshore.consoleGroups" -}}
{{- range . }}
- apiGroup: rbac.authorization.k8s.io
  kind: Group
  name: {{ . | quote }}
{{- end }}
{{- end }}

{{/* Arguments of the scheduler: hosts of the platform, which it reserves and writes into the maps of the edge, and those of its values. */}}
{{- define "longshore.schedulerArguments" -}}
{{- $hosts := .Values.edge.hosts }}
{{- if .Values.console.enabled }}
{{- $hosts = append $hosts (dict "host" .Values.console.host "namespace" "console" "certificate" .Values.console.certificate) }}
{{- end }}
{{- range $hosts }}
- --platform-host={{ .host }}={{ .namespace }}{{ with .certificate }}/{{ . }}{{ end }}
{{- end }}
{{- with .Values.scheduler.arguments }}
{{ toYaml . }}
{{- end }}
{{- end }}
