{{/* Rejects values that cannot work or that risk data, each with its remedy. */}}
{{- define "heliograph.guards" -}}
{{- $problems := list }}
{{- with .Values }}
{{- if and (not .postgres.host) (not .postgres.existingSecret.uriKey) }}
{{- $problems = append $problems "postgres.host is required: set it, or set postgres.existingSecret.name and .uriKey. For a trial, install charts/heliograph-stack first and pass -f k8s/trial.yaml." }}
{{- end }}
{{- if and .postgres.existingSecret.uriKey (not .postgres.existingSecret.name) }}
{{- $problems = append $problems "postgres.existingSecret.uriKey requires a Secret: set postgres.existingSecret.name." }}
{{- end }}
{{- if and .postgres.host (not .postgres.password) (not .postgres.existingSecret.name) }}
{{- $problems = append $problems "The PostgreSQL password is required: set postgres.existingSecret.name to a Secret with the key `password`." }}
{{- end }}
{{- if not .nats.url }}
{{- $problems = append $problems "nats.url is required: set it to a URL such as nats://nats.nats:4222." }}
{{- else if not (regexMatch "^(nats|tls)://[^,]+(,(nats|tls)://[^,]+)*$" .nats.url) }}
{{- $problems = append $problems (printf "nats.url %q is invalid: use nats://host:4222, and separate several URLs with commas without spaces." .nats.url) }}
{{- end }}
{{- if not .s3.endpoint }}
{{- $problems = append $problems "s3.endpoint is required: set it to a URL such as https://s3.example.org, and set s3.existingSecret.name." }}
{{- else if not (regexMatch "^https?://[^/]+/?$" .s3.endpoint) }}
{{- $problems = append $problems (printf "s3.endpoint %q is invalid: use a URL without a path, such as https://s3.example.org." .s3.endpoint) }}
{{- end }}
{{- if and (not .s3.existingSecret.name) (not (and .s3.accessKey .s3.secretKey)) }}
{{- $problems = append $problems "Credentials of the object store are required: set s3.existingSecret.name to a Secret with the keys `access-key` and `secret-key`." }}
{{- end }}
{{- if not (or .auth.secret .auth.existingSecret.name .auth.jwksUrl) }}
{{- $problems = append $problems "A key to verify tokens is required: set auth.jwksUrl to your issuer's key set, or auth.existingSecret.name to a Secret created with: kubectl create secret generic heliograph-auth --from-literal=secret=\"$(openssl rand -base64 48)\"." }}
{{- end }}
{{- if and .auth.jwksUrl (or .auth.secret .auth.existingSecret.name) }}
{{- $problems = append $problems "auth.jwksUrl and an auth secret are mutually exclusive: remove one of them." }}
{{- end }}
{{- if and .auth.secret (lt (len .auth.secret) 32) }}
{{- $problems = append $problems "auth.secret must be at least 32 bytes: generate one with `openssl rand -base64 48`." }}
{{- end }}
{{- if eq .environment "production" }}
{{- if lt (int .nats.replicas) 3 }}
{{- $problems = append $problems (printf "nats.replicas is %v, but production requires at least 3: with fewer, a lost node stops or loses acknowledged work. Set nats.replicas to 3 on a NATS cluster of three, or set environment to development to accept the risk." .nats.replicas) }}
{{- end }}
{{- range $what, $value := dict "postgres.password" .postgres.password "nats.password" .nats.password "s3.secretKey" .s3.secretKey "auth.secret" .auth.secret }}
{{- if $value }}
{{- $problems = append $problems (printf "%s is stored in plain text in the release: use existingSecret instead, or set environment to development." $what) }}
{{- end }}
{{- end }}
{{- end }}
{{- if le (float64 .thumbnailer.drainSeconds) (float64 .thumbnailer.render.wallSeconds) }}
{{- $problems = append $problems (printf "thumbnailer.drainSeconds (%v) must exceed thumbnailer.render.wallSeconds (%v): otherwise rollouts kill renders in progress." .thumbnailer.drainSeconds .thumbnailer.render.wallSeconds) }}
{{- end }}
{{- $limit := dig "limits" "memory" "" .thumbnailer.resources | toString }}
{{- $unit := get (dict "Mi" 1 "Gi" 1024) (regexFind "[A-Za-z]+$" $limit) }}
{{- if $unit }}
{{- $has := mul (int (regexFind "^[0-9]+" $limit)) $unit }}
{{- if lt $has (add (int .thumbnailer.render.memoryMiB) 512) }}
{{- $problems = append $problems (printf "thumbnailer.resources.limits.memory (%s) must be at least thumbnailer.render.memoryMiB (%v) plus 512 Mi: raise the limit or lower render.memoryMiB." $limit .thumbnailer.render.memoryMiB) }}
{{- end }}
{{- end }}
{{- if le (float64 .analyzer.drainSeconds) (float64 .analyzer.openai.timeoutSeconds) }}
{{- $problems = append $problems (printf "analyzer.drainSeconds (%v) must exceed analyzer.openai.timeoutSeconds (%v): otherwise rollouts discard answers that are paid for." .analyzer.drainSeconds .analyzer.openai.timeoutSeconds) }}
{{- end }}
{{- $least := addf (mulf 2 .analyzer.openai.timeoutSeconds) 20 }}
{{- if lt (float64 .analyzer.holdSeconds) $least }}
{{- $problems = append $problems (printf "analyzer.holdSeconds (%v) must be at least twice analyzer.openai.timeoutSeconds plus 20 (%v): otherwise answers that are paid for are discarded." .analyzer.holdSeconds $least) }}
{{- end }}
{{- if not (regexMatch "^https?://[^/ ?#@]+(/[^ ?#]*)?$" .analyzer.openai.baseUrl) }}
{{- $problems = append $problems (printf "analyzer.openai.baseUrl %q is invalid: use a URL with the version of the API, such as https://api.openai.com/v1." .analyzer.openai.baseUrl) }}
{{- end }}
{{- if not (regexMatch "^https?://[^/ ?#@]+(/[^ ?#]*)?$" .importer.unsplash.baseUrl) }}
{{- $problems = append $problems (printf "importer.unsplash.baseUrl %q is invalid: use a URL such as https://api.unsplash.com." .importer.unsplash.baseUrl) }}
{{- end }}
{{- if and .httpRoute.enabled (not .httpRoute.parentRefs) }}
{{- $problems = append $problems "httpRoute.parentRefs is required: set it to your Gateway, such as [{name: public, namespace: gateways}]." }}
{{- end }}
{{- if and .ingress.enabled (not .ingress.host) }}
{{- $problems = append $problems "ingress.host is required: set it to the hostname that clients use." }}
{{- end }}
{{- with .importer.existingSecret }}
{{- if ne (empty .dropboxAppKeyKey) (empty .dropboxAppSecretKey) }}
{{- $problems = append $problems "The app key and the app secret of Dropbox belong together: set importer.existingSecret.dropboxAppKeyKey and .dropboxAppSecretKey, or neither." }}
{{- end }}
{{- end }}
{{- if and .tests.enabled .auth.jwksUrl (not .tests.existingSecret.name) }}
{{- $problems = append $problems "helm test requires a token of your issuer: set tests.existingSecret.name to a Secret with the key `token`, or set tests.enabled to false." }}
{{- end }}
{{- $scaled := list }}
{{- range $path, $_ := $.Files.Glob "components/*.yaml" }}
{{- $name := base $path | trimSuffix ".yaml" }}
{{- $section := index $.Values $name }}
{{- with fromJson (include "heliograph.scaler" (list $ $name) | default "{}") }}
{{- $scaled = append $scaled $name }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- $problems = append $problems (printf "%s.scaler.minReplicas (%v) must not exceed %[1]s.scaler.maxReplicas (%[3]v)." $name .minReplicas .maxReplicas) }}
{{- end }}
{{- $slots := int (tpl (index (fromYaml ($.Files.Get $path)) "scaler").slots $) }}
{{- if gt (mul (int .maxReplicas) $slots) 1000 }}
{{- $problems = append $problems (printf "%s.scaler.maxReplicas (%v) times the slots of a pod (%d) must not exceed 1000, which is what a consumer delivers at a time: further pods would have no work. Lower one of the two." $name .maxReplicas $slots) }}
{{- end }}
{{- if not $.Values.operator.enabled }}
{{- $problems = append $problems (printf "%s.scaler requires the operator: set operator.enabled to true, or %[1]s.scaler.enabled to false, and %[1]s.replicas applies." $name) }}
{{- end }}
{{- if kindIs "invalid" $section.replicas }}
{{- $problems = append $problems (printf "%s.replicas is null, which leaves it to an autoscaler of yours, and two would fight: set %[1]s.scaler.enabled to false, or %[1]s.replicas to a number." $name) }}
{{- end }}
{{- if dig "enabled" false ($section.autoscaling | default dict) }}
{{- $problems = append $problems (printf "%s.autoscaling and %[1]s.scaler are mutually exclusive: set `enabled` of one of them to false." $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (has "thumbnailer" $scaled) (ne .renderSource "nats") }}
{{- $problems = append $problems "thumbnailer.scaler requires renderSource nats, because it scales by what waits there: set renderSource to nats, or thumbnailer.scaler.enabled to false." }}
{{- end }}
{{- range .operator.targets }}
{{- if not (and .name (has .kind (list "Deployment" "StatefulSet"))) }}
{{- $problems = append $problems (printf "operator.targets has %s: use {kind: Deployment, name: …} or {kind: StatefulSet, name: …}." (toJson .)) }}
{{- end }}
{{- end }}
{{- if and .operator.enabled $.Release.IsUpgrade (not ($.Capabilities.APIVersions.Has "heliograph.dev/v1/StreamScaler")) }}
{{- $problems = append $problems "The cluster lacks the CustomResourceDefinition StreamScaler, which Helm installs with a new release only: run `helm show crds charts/heliograph | kubectl apply --server-side --force-conflicts -f -` (with the chart's own place), then upgrade. Or set operator.enabled and thumbnailer.scaler.enabled to false." }}
{{- end }}
{{- if .operator.enabled }}
{{- range (lookup "apps/v1" "Deployment" $.Release.Namespace "").items }}
{{- $labels := .metadata.labels | default dict }}
{{- $release := get $labels "app.kubernetes.io/instance" }}
{{- if and (eq (get $labels "app.kubernetes.io/part-of") "heliograph") (eq (get $labels "app.kubernetes.io/component") "operator") (ne $release $.Release.Name) }}
{{- $off := list "operator.enabled" }}
{{- range $scaled }}{{ $off = append $off (printf "%s.scaler.enabled" .) }}{{ end }}
{{- $problems = append $problems (printf "The release %s has an operator in this namespace, and each of two would scale what the other scales: use another namespace, or set %s to false." $release (join " and " $off)) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $component := fromYaml (include "heliograph.components" $) }}
{{- $secret := (index $.Values $name).existingSecret | default dict }}
{{- $keys := list }}
{{- range $component.secrets }}{{ with index $secret . }}{{ $keys = append $keys . }}{{ end }}{{ end }}
{{- if and $keys (not $secret.name) }}
{{- $problems = append $problems (printf "%s.existingSecret.name is required: set it to the Secret with the keys %s." $name (join ", " $keys)) }}
{{- end }}
{{- $own := false }}
{{- range $component.lateSecrets }}
{{- $late := fromJson (include "heliograph.lateSecret" (list $ $name .)) }}
{{- if not (contains "." .) }}{{ $own = true }}{{ end }}
{{- if and $late.name (not $late.key) }}
{{- $problems = append $problems (printf "%s.%s is required: set it to the key that the Secret %s has or will have." $late.path $late.field $late.name) }}
{{- end }}
{{- end }}
{{- if and $secret.name (not $keys) (not $own) }}
{{- $problems = append $problems (printf "%s.existingSecret.name is set without a key: set the values below it to the keys that the Secret has, such as %[1]s.existingSecret.%s." $name (first (values $component.secrets | sortAlpha))) }}
{{- end }}
{{- $image := (index $.Values $name).image }}
{{- if eq (coalesce $image.tag $.Values.image.tag $.Chart.AppVersion) "latest" }}
{{- $problems = append $problems (printf "%s.image.tag must not be `latest`, which changes over time: set a version, or %[1]s.image.digest." $name) }}
{{- end }}
{{- if and $image.digest (not (regexMatch "^sha256:[0-9a-f]{64}$" $image.digest)) }}
{{- $problems = append $problems (printf "%s.image.digest is invalid: use sha256: followed by 64 hexadecimal digits." $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- if $problems }}
{{- fail (printf "\n\nHeliograph cannot be installed with these values:\n\n- %s\n" (join "\n- " $problems)) }}
{{- end }}
{{- end }}
