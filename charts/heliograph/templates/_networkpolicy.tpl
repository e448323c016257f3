{{/*
One NetworkPolicy of a component: in from whom it serves, out to what it needs. Takes a dict: root, component, needs, and
maybe annotations, clients (whether it serves any), service (whether it has metrics and traces), internet, ports and instead (as
in components/), extraEgress (a list of rules).
*/}}
{{- define "heliograph.networkpolicy" -}}
{{- $root := .root }}{{ $needs := .needs }}{{ $p := .root.Values.networkPolicy -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "heliograph.metadata" (dict "root" .root "component" .component "annotations" .annotations) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "heliograph.selector" (list .root .component) | nindent 6 }}
  policyTypes: [Ingress, Egress]
  {{- if or .clients $p.monitoring }}
  ingress:
    {{- if .clients }}
    - ports: [{port: http}]
      {{- if $p.clients }}
      from:
        {{- toYaml $p.clients | nindent 8 }}
        {{- if $root.Values.tests.enabled }}
        - podSelector:
            matchLabels:
              {{- include "heliograph.selector" (list $root "test") | nindent 14 }}
        {{- end }}
      {{- end }}
    {{- end }}
    {{- if and $p.monitoring .service }}
    - ports: [{port: management}]
      from:
        {{- toYaml $p.monitoring | nindent 8 }}
    {{- end }}
  {{- end }}
  egress:
    - ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
      {{- with $p.dns }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- with $root.Values }}
    {{- if has "postgres" $needs }}
    {{- include "heliograph.networkpolicy.rule" (list (list .postgres.port) $p.postgres) | nindent 4 }}
    {{- end }}
    {{- if has "nats" $needs }}
    {{- $ports := list }}
    {{- range splitList "," .nats.url }}{{ $ports = append $ports (include "heliograph.port" .) }}{{ end }}
    {{- include "heliograph.networkpolicy.rule" (list (uniq $ports) $p.nats) | nindent 4 }}
    {{- end }}
    {{- if has "s3" $needs }}
    {{- include "heliograph.networkpolicy.rule" (list (list (include "heliograph.port" .s3.endpoint)) $p.s3) | nindent 4 }}
    {{- end }}
    {{- if and (has "auth" $needs) .auth.jwksUrl }}
    {{- include "heliograph.networkpolicy.rule" (list (list (include "heliograph.port" .auth.jwksUrl)) $p.jwks) | nindent 4 }}
    {{- end }}
    {{- if has "kubernetes" $needs }}
    {{- include "heliograph.networkpolicy.rule" (list $p.kubernetesPorts $p.kubernetes) | nindent 4 }}
    {{- end }}
    {{- if and .telemetry.otlpEndpoint $.service }}
    {{- include "heliograph.networkpolicy.rule" (list (list (include "heliograph.port" .telemetry.otlpEndpoint)) $p.otlp) | nindent 4 }}
    {{- end }}
    {{- end }}
    {{- $rules := fromJsonArray (tpl (.instead | default "[]") .root) }}
    {{- if and .internet (not $rules) }}
    {{- $ports := empty .ports | ternary $p.internet.ports (fromJsonArray (tpl (.ports | default "[]") .root)) }}
    {{- include "heliograph.networkpolicy.internet" (list $p.internet $ports (fromJsonArray (tpl .internet .root))) | nindent 4 }}
    {{- $rules = $p.internet.extraEgress }}
    {{- end }}
    {{- with concat (.extraEgress | default list) $rules $p.extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/*
Out to public addresses: all of IPv4, and what is assigned to hosts of IPv6, but for the networks that are not public. Takes
(list values ports networks), the networks that may be connected to nevertheless.
*/}}
{{- define "heliograph.networkpolicy.internet" -}}
{{- $values := first . }}{{ $peers := list }}
{{- range $cidr, $pattern := dict "0.0.0.0/0" "^[^:]+$" "2000::/3" ":" }}
{{- $block := dict "cidr" $cidr }}{{ $except := list }}
{{- range $values.except }}{{ if regexMatch $pattern . }}{{ $except = append $except . }}{{ end }}{{ end }}
{{- if $except }}{{ $_ := set $block "except" $except }}{{ end }}
{{- $peers = append $peers (dict "ipBlock" $block) }}
{{- end }}
{{- range last . }}{{ $peers = append $peers (dict "ipBlock" (dict "cidr" .)) }}{{ end }}
{{- include "heliograph.networkpolicy.rule" (list (index . 1) $peers) }}
{{- end }}

{{/* Takes (list ports peers). */}}
{{- define "heliograph.networkpolicy.rule" -}}
- ports:
    {{- range first . }}
    - port: {{ . }}
    {{- end }}
  {{- with last . }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
