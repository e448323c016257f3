{{/*
The components of this chart, by name: one file of components/ each, whose name is also that of the component's section in
values.yaml, of its image, of its module and of its objects. Such a file has these keys:

  needs        what it connects to: a list of "postgres", "nats", "s3", "auth", "kubernetes"; the last of them gives it a token
  scaler       what a StreamScaler of it says, where its section has `scaler`: `stream`, `consumers`, and until its workers report
               their own, `slots` (a template) and `serviceSeconds`
  clients      whether clients call it; it then has a Service, whose values are `service` in its section
  internet     present if it connects to public addresses: a template of a JSON list of other networks that it may connect to too
  ports        at which ports there: a template of a JSON list; `networkPolicy.internet.ports` if absent
  instead      egress rules that take the place of those to public addresses: a template of a JSON list, which may be empty
  egress       further egress rules, likewise
  limits       whether it reads `limits`, the limits of pictures
  imports      whether it reads `imports`
  words        whether it reads `words`
  env          environment variables of its own without the prefix HELIOGRAPH_; each value is a template; `unset` leaves it out
  secrets      environment variables, likewise, whose values are in the Secret `existingSecret` of its section: each names the key
               there that names the key of the Secret, which may be empty
  lateSecrets  as `secrets`, for files that the service reads again while it runs: pods start without the Secret or its key;
               `part.key` is a key of the Secret `part.existingSecret` of its section

A component whose section has `enabled: false` is left out. Workloads, scalers, network policies, monitoring, guards and notes go over this map; so do scripts/chart_values.py and the tests.
*/}}
{{- define "heliograph.components" -}}
{{- range $path, $_ := .Files.Glob "components/*.yaml" }}
{{- $name := base $path | trimSuffix ".yaml" }}
{{- $section := index $.Values $name }}
{{- if or (not (hasKey $section "enabled")) $section.enabled }}
{{ $name }}:
  {{- $.Files.Get $path | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* The scaler of a component as JSON, empty where it has none that is enabled. Takes (list root name). */}}
{{- define "heliograph.scaler" -}}
{{- with (index (first .).Values (last .)).scaler }}{{ if .enabled }}{{ toJson . }}{{ end }}{{ end }}
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

{{/* Imports, as environment variables. */}}
{{- define "heliograph.imports" -}}
IMPORTS__KEEP_DAYS: {{ .Values.imports.keepDays | quote }}
{{- end }}

{{/* Words, as environment variables. */}}
{{- define "heliograph.words" -}}
WORDS__REQUESTS_PER_HOUR: {{ int64 .Values.words.requestsPerHour | quote }}
WORDS__PICTURES: {{ .Values.words.pictures | quote }}
WORDS__OWNER: {{ .Values.words.owner | quote }}
WORDS__RECENT_DAYS: {{ int64 .Values.words.recentDays | quote }}
WORDS__POPULATE_MINUTES: {{ .Values.words.populateMinutes | quote }}
WORDS__MISS_DAYS: {{ .Values.words.missDays | quote }}
WORDS__PLACEHOLDERS: {{ .Values.words.placeholders | quote }}
{{- end }}

{{/*
A secret of a component that may come late, as JSON: the `path` of its Secret in values, the Secret's `name` and its `key`, and
`field`, which names the key. Takes (list root name key) with a key as `lateSecrets` has it.
*/}}
{{- define "heliograph.lateSecret" -}}
{{- $steps := splitList "." (last .) -}}
{{- $section := index (first .).Values (index . 1) -}}
{{- $path := printf "%s.existingSecret" (index . 1) -}}
{{- if gt (len $steps) 1 -}}
{{- $section = index $section (first $steps) -}}
{{- $path = printf "%s.%s.existingSecret" (index . 1) (first $steps) -}}
{{- end -}}
{{- $secret := $section.existingSecret | default dict -}}
{{- dict "path" $path "name" $secret.name "field" (last $steps) "key" (index $secret (last $steps)) | toJson -}}
{{- end }}

{{/*
What a component has in Secrets of its own, beside those of its connections: a JSON list of variable, Secret, key, and whether
it may come late. Takes (list root name component).
*/}}
{{- define "heliograph.secrets" -}}
{{- $values := (first .).Values }}{{ $component := last . }}{{ $found := list }}
{{- if $component.imports }}
{{- with $values.imports.tokenKeys.existingSecret }}
{{- if .name }}{{ $found = append $found (dict "variable" "IMPORTS__TOKEN_KEYS" "name" .name "key" .key) }}{{ end }}
{{- end }}
{{- end }}
{{- $secret := (index $values (index . 1)).existingSecret | default dict }}
{{- range $variable, $key := $component.secrets }}
{{- with index $secret $key }}
{{- $found = append $found (dict "variable" $variable "name" $secret.name "key" .) }}
{{- end }}
{{- end }}
{{- $root := first . }}{{ $name := index . 1 }}
{{- range $variable, $key := $component.lateSecrets }}
{{- $late := fromJson (include "heliograph.lateSecret" (list $root $name $key)) }}
{{- if $late.name }}
{{- $found = append $found (dict "variable" $variable "name" $late.name "key" $late.key "late" true) }}
{{- end }}
{{- end }}
{{- toJson $found }}
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
