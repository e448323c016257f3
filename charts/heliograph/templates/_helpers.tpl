{{/* Names, labels, images. */}}

{{- define "heliograph.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "heliograph.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "heliograph.name" .) .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name (include "heliograph.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What selectors are made of; never changes between versions. Takes (list root component). */}}
{{- define "heliograph.selector" -}}
{{- $root := first . -}}
app.kubernetes.io/name: {{ include "heliograph.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end }}

{{/* Labels of an object. Takes (list root component). */}}
{{- define "heliograph.labels" -}}
{{- $root := first . -}}
{{ include "heliograph.selector" . }}
app.kubernetes.io/part-of: heliograph
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* `metadata` of an object. Takes a dict: root, component, and maybe suffix, annotations, labels. */}}
{{- define "heliograph.metadata" -}}
name: {{ include "heliograph.fullname" .root }}{{ with hasKey . "suffix" | ternary .suffix .component }}-{{ . }}{{ end }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "heliograph.labels" (list .root .component) | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) (.root.Values.commonAnnotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* An image by digest where there is one, else by tag. Takes (list root image). */}}
{{- define "heliograph.image" -}}
{{- $root := first . }}{{ $image := last . -}}
{{- $tag := coalesce $image.tag $root.Values.image.tag $root.Chart.AppVersion -}}
{{- with $root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{/* The port of a URL, by its scheme where it names none. */}}
{{- define "heliograph.port" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) -}}
{{- $port | default (get (dict "https" "443" "nats" "4222" "tls" "4222") $url.scheme | default "80") }}
{{- end }}
