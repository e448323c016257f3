{{/*
The components of this chart, by name: one file of components/ each, whose name is also that of the component's section in
values.yaml, of its image, of its module and of its objects. Such a file has these keys:

  needs      what it connects to: a list of "postgres", "nats", "s3", "auth"
  clients    whether clients call it; it then has a Service, whose values are `service` in its section
  limits     whether it reads `limits`, the limits of pictures
  env        environment variables of its own without the prefix HELIOGRAPH_; each value is a template

Workloads, network policies, monitoring, guards and notes go over this map; so do scripts/chart_values.py and the tests.
*/}}
{{- define "heliograph.components" -}}
{{- range $path, $_ := .Files.Glob "components/*.yaml" }}
{{ base $path | trimSuffix ".yaml" }}:
  {{- $.Files.Get $path | nindent 2 }}
{{- end }}
{{- end }}

{{/* A component's values over the defaults. Takes (list root name). */}}
{{- define "heliograph.component" -}}
{{- $root := first . -}}
{{- mergeOverwrite (deepCopy $root.Values.defaults) (deepCopy (index $root.Values (last .))) | toYaml }}
{{- end }}

{{/* What a picture may cost, and how many may wait, as environment variables. */}}
{{- define "heliograph.limits" -}}
LIMITS__FILE_BYTES: {{ int64 .Values.limits.fileBytes | quote }}
LIMITS__PIXELS: {{ int64 .Values.limits.pixels | quote }}
LIMITS__FRAMES: {{ int64 .Values.limits.frames | quote }}
LIMITS__FILES_PER_REQUEST: {{ int64 .Values.limits.filesPerRequest | quote }}
LIMITS__WAITING_BEFORE_LOW: {{ int64 .Values.limits.waitingBeforeLow | quote }}
{{- end }}

{{/* How many requests pass, as JSON; of an empty policy, null: no limit. */}}
{{- define "heliograph.ratePolicy" -}}
{{- if . -}}
{{- $quota := required "each policy of gateway.rateLimits needs a quota" .quota -}}
{{- $burst := required "each policy of gateway.rateLimits needs a burst" .burst -}}
{{- dict "quota" (int64 $quota) "window_seconds" (int64 (.windowSeconds | default 1)) "burst" (int64 $burst) | toJson -}}
{{- else -}}
null
{{- end -}}
{{- end }}

{{/* Policies by route, as JSON. */}}
{{- define "heliograph.rateRoutes" -}}
{{- $policies := list -}}
{{- range $route, $policy := . -}}
{{- $policies = append $policies (printf "%s: %s" (toJson $route) (include "heliograph.ratePolicy" $policy)) -}}
{{- end -}}
{{- printf "{%s}" (join ", " $policies) -}}
{{- end }}
