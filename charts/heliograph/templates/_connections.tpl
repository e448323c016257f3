{{/*
How pods reach PostgreSQL, NATS, S3 and the keys of tokens: environment variables, and one projected volume with the
secrets, so that they show in no `env`. A component names what it needs: "postgres", "nats", "s3", "auth".
*/}}

{{/* Name of the Secret that holds what was given in plain values. */}}
{{- define "heliograph.credentials" -}}
{{ include "heliograph.fullname" . }}-credentials
{{- end }}

{{/* The content of that Secret; empty when everything is in existing Secrets. */}}
{{- define "heliograph.credentials.data" -}}
{{- with .Values }}
{{- if and .postgres.password (not .postgres.existingSecret.name) }}
postgres-password: {{ .postgres.password | b64enc }}
{{- end }}
{{- if and .nats.password (not .nats.existingSecret.name) }}
nats-password: {{ .nats.password | b64enc }}
{{- end }}
{{- if and .s3.secretKey (not .s3.existingSecret.name) }}
s3-access-key: {{ .s3.accessKey | b64enc }}
s3-secret-key: {{ .s3.secretKey | b64enc }}
{{- end }}
{{- if and .auth.secret (not .auth.existingSecret.name) }}
auth-secret: {{ .auth.secret | b64enc }}
{{- end }}
{{- end }}
{{- end }}

{{/* The file of a secret of a component's own: IMPORTS__TOKEN_KEYS is in imports-token-keys. */}}
{{- define "heliograph.connections.file" -}}
{{ . | lower | replace "_" "-" | replace "--" "-" }}
{{- end }}

{{/* Environment variables. Takes a dict: root, needs, and maybe secrets ("heliograph.secrets"). */}}
{{- define "heliograph.connections.env" -}}
{{- $folder := "/run/secrets/heliograph" -}}
{{- $needs := .needs }}{{ $credentials := .credentials | default (include "heliograph.credentials" .root) }}
{{- with .root.Values }}
{{- if has "postgres" $needs }}
{{- if .postgres.existingSecret.uriKey }}
- name: HELIOGRAPH_DATABASE__URL_FILE
  value: {{ $folder }}/postgres-uri
{{- else }}
{{- $query := printf "sslmode=%s" .postgres.sslMode }}
{{- if .postgres.tls.existingSecret }}{{ $query = printf "%s&sslrootcert=%s/postgres-ca.crt" $query $folder }}{{ end }}
- name: HELIOGRAPH_DATABASE__URL
  value: {{ printf "postgresql+psycopg://%s@%s:%v/%s?%s" (urlquery .postgres.user) .postgres.host .postgres.port .postgres.database $query | quote }}
- name: PGPASSWORD # a URL would need it encoded
  valueFrom:
    secretKeyRef:
      {{- if .postgres.existingSecret.name }}
      name: {{ .postgres.existingSecret.name }}
      key: {{ .postgres.existingSecret.passwordKey }}
      {{- else }}
      name: {{ $credentials }}
      key: postgres-password
      {{- end }}
{{- end }}
- name: HELIOGRAPH_DATABASE__POOL_SIZE
  value: {{ .postgres.poolSize | quote }}
{{- end }}
{{- if has "nats" $needs }}
- name: HELIOGRAPH_NATS__URL
  value: {{ .nats.url | quote }}
- name: HELIOGRAPH_NATS__REPLICAS
  value: {{ .nats.replicas | quote }}
- name: HELIOGRAPH_NATS__ACK_WAIT
  value: {{ .nats.ackWait | quote }}
- name: HELIOGRAPH_NATS__WORK_BYTES
  value: {{ .nats.workBytes | int64 | quote }}
- name: HELIOGRAPH_NATS__EVENTS_BYTES
  value: {{ .nats.eventsBytes | int64 | quote }}
- name: HELIOGRAPH_NATS__DEAD_BYTES
  value: {{ .nats.deadBytes | int64 | quote }}
{{- if and .nats.existingSecret.name .nats.existingSecret.userKey }}
- name: HELIOGRAPH_NATS__USER_FILE
  value: {{ $folder }}/nats-user
{{- else if .nats.user }}
- name: HELIOGRAPH_NATS__USER
  value: {{ .nats.user | quote }}
{{- end }}
{{- if or .nats.existingSecret.name .nats.password }}
- name: HELIOGRAPH_NATS__PASSWORD_FILE
  value: {{ $folder }}/nats-password
{{- end }}
{{- if .nats.tls.existingSecret }}
- name: HELIOGRAPH_NATS__CA_FILE
  value: {{ $folder }}/nats-ca.crt
{{- end }}
{{- end }}
{{- if has "s3" $needs }}
- name: HELIOGRAPH_S3__ENDPOINT
  value: {{ .s3.endpoint | quote }}
{{- with .s3.publicEndpoint }}
- name: HELIOGRAPH_S3__PUBLIC_ENDPOINT
  value: {{ . | quote }}
{{- end }}
- name: HELIOGRAPH_S3__BUCKET
  value: {{ .s3.bucket | quote }}
- name: HELIOGRAPH_S3__REGION
  value: {{ .s3.region | quote }}
- name: HELIOGRAPH_S3__SIGNED_URL_SECONDS
  value: {{ .s3.signedUrlSeconds | int64 | quote }}
- name: HELIOGRAPH_S3__ACCESS_KEY_FILE
  value: {{ $folder }}/s3-access-key
- name: HELIOGRAPH_S3__SECRET_KEY_FILE
  value: {{ $folder }}/s3-secret-key
{{- end }}
{{- if has "auth" $needs }}
- name: HELIOGRAPH_AUTH__ISSUER
  value: {{ .auth.issuer | quote }}
- name: HELIOGRAPH_AUTH__AUDIENCE
  value: {{ .auth.audience | quote }}
{{- if .auth.jwksUrl }}
- name: HELIOGRAPH_AUTH__JWKS_URL
  value: {{ .auth.jwksUrl | quote }}
{{- else }}
- name: HELIOGRAPH_AUTH__SECRET_FILE
  value: {{ $folder }}/auth-secret
{{- end }}
{{- end }}
{{- range $.secrets }}
- name: HELIOGRAPH_{{ .variable }}_FILE
  value: {{ $folder }}/{{ include "heliograph.connections.file" .variable }}
{{- end }}
- name: HELIOGRAPH_ENVIRONMENT
  value: {{ .environment }}
- name: HELIOGRAPH_RENDER_SOURCE
  value: {{ .renderSource }}
- name: HELIOGRAPH_LOG__LEVEL
  value: {{ .log.level }}
- name: HELIOGRAPH_LOG__FORMAT
  value: {{ .log.format }}
{{- with .telemetry.otlpEndpoint }}
- name: HELIOGRAPH_TELEMETRY__OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* One source of the projected volume. Takes (list secret key path), and whether it may come late. */}}
{{- define "heliograph.connections.source" -}}
- secret:
    name: {{ index . 0 }}
    {{- if and (gt (len .) 3) (index . 3) }}
    optional: true # the file appears in the pod when the key does
    {{- end }}
    items:
      - key: {{ index . 1 }}
        path: {{ index . 2 }}
{{- end }}

{{/* Sources of the projected volume. Takes a dict: root, needs, and maybe credentials, secrets. */}}
{{- define "heliograph.connections.sources" -}}
{{- $needs := .needs }}{{ $credentials := .credentials | default (include "heliograph.credentials" .root) }}
{{- with .root.Values }}
{{- if has "postgres" $needs }}
{{- if .postgres.existingSecret.uriKey }}
{{ include "heliograph.connections.source" (list .postgres.existingSecret.name .postgres.existingSecret.uriKey "postgres-uri") }}
{{- end }}
{{- with .postgres.tls }}{{ if .existingSecret }}
{{ include "heliograph.connections.source" (list .existingSecret .caKey "postgres-ca.crt") }}
{{- end }}{{ end }}
{{- end }}
{{- if has "nats" $needs }}
{{- if .nats.existingSecret.name }}
{{ include "heliograph.connections.source" (list .nats.existingSecret.name .nats.existingSecret.passwordKey "nats-password") }}
{{- with .nats.existingSecret.userKey }}
{{ include "heliograph.connections.source" (list $.root.Values.nats.existingSecret.name . "nats-user") }}
{{- end }}
{{- else if .nats.password }}
{{ include "heliograph.connections.source" (list $credentials "nats-password" "nats-password") }}
{{- end }}
{{- with .nats.tls }}{{ if .existingSecret }}
{{ include "heliograph.connections.source" (list .existingSecret .caKey "nats-ca.crt") }}
{{- end }}{{ end }}
{{- end }}
{{- if has "s3" $needs }}
{{- if .s3.existingSecret.name }}
{{ include "heliograph.connections.source" (list .s3.existingSecret.name .s3.existingSecret.accessKeyKey "s3-access-key") }}
{{ include "heliograph.connections.source" (list .s3.existingSecret.name .s3.existingSecret.secretKeyKey "s3-secret-key") }}
{{- else }}
{{ include "heliograph.connections.source" (list $credentials "s3-access-key" "s3-access-key") }}
{{ include "heliograph.connections.source" (list $credentials "s3-secret-key" "s3-secret-key") }}
{{- end }}
{{- end }}
{{- if and (has "auth" $needs) (not .auth.jwksUrl) }}
{{- if .auth.existingSecret.name }}
{{ include "heliograph.connections.source" (list .auth.existingSecret.name .auth.existingSecret.key "auth-secret") }}
{{- else }}
{{ include "heliograph.connections.source" (list $credentials "auth-secret" "auth-secret") }}
{{- end }}
{{- end }}
{{- end }}
{{- range .secrets }}
{{ include "heliograph.connections.source" (list .name .key (include "heliograph.connections.file" .variable) .late) }}
{{- end }}
{{- end }}

{{/* The volumes of every pod: /tmp and the secrets. Takes what sources takes, and tmpSize. */}}
{{- define "heliograph.connections.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ .tmpSize }}
{{- with include "heliograph.connections.sources" . | trim }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- . | nindent 6 }}
{{- end }}
{{- end }}

{{- define "heliograph.connections.mounts" -}}
- name: tmp
  mountPath: /tmp
{{- if include "heliograph.connections.sources" . | trim }}
- name: secrets
  mountPath: /run/secrets/heliograph
  readOnly: true
{{- end }}
{{- end }}
