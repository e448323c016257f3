{{/* Values that cannot work, or risk data, are refused here, each with its remedy. Included by workloads.yaml. */}}
{{- define "heliograph.guards" -}}
{{- $problems := list }}
{{- with .Values }}
{{- if and (not .postgres.host) (not .postgres.existingSecret.uriKey) }}
{{- $problems = append $problems "PostgreSQL is missing: set postgres.host, or postgres.existingSecret.name and .uriKey. For a trial install charts/heliograph-stack first and pass -f k8s/trial.yaml." }}
{{- end }}
{{- if and .postgres.existingSecret.uriKey (not .postgres.existingSecret.name) }}
{{- $problems = append $problems "postgres.existingSecret.uriKey names a key of no Secret: set postgres.existingSecret.name." }}
{{- end }}
{{- if and .postgres.host (not .postgres.password) (not .postgres.existingSecret.name) }}
{{- $problems = append $problems "PostgreSQL's password is missing: set postgres.existingSecret.name to a Secret that has it under the key `password`." }}
{{- end }}
{{- if not .nats.url }}
{{- $problems = append $problems "NATS is missing: set nats.url, such as nats://nats.nats:4222." }}
{{- else if not (regexMatch "^(nats|tls)://[^,]+(,(nats|tls)://[^,]+)*$" .nats.url) }}
{{- $problems = append $problems (printf "nats.url %q is none: it must look like nats://host:4222, several separated by commas without spaces." .nats.url) }}
{{- end }}
{{- if not .s3.endpoint }}
{{- $problems = append $problems "The object store is missing: set s3.endpoint, such as https://s3.example.org, and s3.existingSecret.name." }}
{{- else if not (regexMatch "^https?://[^/]+/?$" .s3.endpoint) }}
{{- $problems = append $problems (printf "s3.endpoint %q is none: it must be a URL such as https://s3.example.org, without a path." .s3.endpoint) }}
{{- end }}
{{- if and (not .s3.existingSecret.name) (not (and .s3.accessKey .s3.secretKey)) }}
{{- $problems = append $problems "The object store's keys are missing: set s3.existingSecret.name to a Secret with the keys `access-key` and `secret-key`." }}
{{- end }}
{{- if not (or .auth.secret .auth.existingSecret.name .auth.jwksUrl) }}
{{- $problems = append $problems "Tokens cannot be checked: set auth.jwksUrl to your issuer's key set, or auth.existingSecret.name to a Secret made by: kubectl create secret generic heliograph-auth --from-literal=secret=\"$(openssl rand -base64 48)\"." }}
{{- end }}
{{- if and .auth.jwksUrl (or .auth.secret .auth.existingSecret.name) }}
{{- $problems = append $problems "auth has both a jwksUrl and a secret: keep one of them." }}
{{- end }}
{{- if and .auth.secret (lt (len .auth.secret) 32) }}
{{- $problems = append $problems "auth.secret is shorter than 32 bytes and can be guessed: make one with `openssl rand -base64 48`." }}
{{- end }}
{{- if eq .environment "production" }}
{{- if lt (int .nats.replicas) 3 }}
{{- $problems = append $problems (printf "nats.replicas is %v: with one replica a lost disk, and with two any lost node, stops or loses acknowledged work. Set it to 3 on a NATS cluster of three, or, where that is accepted, environment to development." .nats.replicas) }}
{{- end }}
{{- range $what, $value := dict "postgres.password" .postgres.password "nats.password" .nats.password "s3.secretKey" .s3.secretKey "auth.secret" .auth.secret }}
{{- if $value }}
{{- $problems = append $problems (printf "%s is a plain value, which anyone who may read the release can see: use existingSecret, or set environment to development." $what) }}
{{- end }}
{{- end }}
{{- end }}
{{- if le (float64 .thumbnailer.drainSeconds) (float64 .thumbnailer.render.wallSeconds) }}
{{- $problems = append $problems (printf "thumbnailer.drainSeconds (%v) must exceed thumbnailer.render.wallSeconds (%v), or a rollout kills renders in hand." .thumbnailer.drainSeconds .thumbnailer.render.wallSeconds) }}
{{- end }}
{{- $limit := dig "limits" "memory" "" .thumbnailer.resources | toString }}
{{- $unit := get (dict "Mi" 1 "Gi" 1024) (regexFind "[A-Za-z]+$" $limit) }}
{{- if $unit }}
{{- $has := mul (int (regexFind "^[0-9]+" $limit)) $unit }}
{{- if lt $has (add (int .thumbnailer.render.memoryMiB) 512) }}
{{- $problems = append $problems (printf "thumbnailer.resources.limits.memory is %s, but render.memoryMiB (%v) and 512 Mi for the process itself need more: raise the one or lower the other, or large pictures are killed without a reason." $limit .thumbnailer.render.memoryMiB) }}
{{- end }}
{{- end }}
{{- if and .httpRoute.enabled (not .httpRoute.parentRefs) }}
{{- $problems = append $problems "httpRoute.parentRefs is empty, so no Gateway would serve it: name yours, such as [{name: public, namespace: gateways}]." }}
{{- end }}
{{- if and .ingress.enabled (not .ingress.host) }}
{{- $problems = append $problems "ingress.host is empty: name the host that clients use." }}
{{- end }}
{{- if and .tests.enabled .auth.jwksUrl (not .tests.existingSecret.name) }}
{{- $problems = append $problems "helm test needs a token that your issuer signed: set tests.existingSecret.name to a Secret that has it under `token`, or tests.enabled to false." }}
{{- end }}
{{- range $name, $_ := fromYaml (include "heliograph.components" $) }}
{{- $image := (index $.Values $name).image }}
{{- if eq (coalesce $image.tag $.Values.image.tag $.Chart.AppVersion) "latest" }}
{{- $problems = append $problems (printf "the image of %s has the tag latest, which means something else tomorrow: name a version or a digest." $name) }}
{{- end }}
{{- if and $image.digest (not (regexMatch "^sha256:[0-9a-f]{64}$" $image.digest)) }}
{{- $problems = append $problems (printf "%s.image.digest must be sha256: and 64 hexadecimal digits." $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- if $problems }}
{{- fail (printf "\n\nHeliograph cannot be installed like this:\n\n- %s\n" (join "\n- " $problems)) }}
{{- end }}
{{- end }}
