{{/*
The one template of all workloads: ServiceAccount, Deployment, and where they are wanted Service, PodDisruptionBudget and
HorizontalPodAutoscaler; templates/scalers.yaml has StreamScalers. Takes a dict:

  root       the chart's context
  name       the component, which is its key in values.yaml, the suffix of its objects and its module
  needs      what it connects to, as in components/
  env        environment variables of its own, as a map
  secrets    what it has in Secrets of its own ("heliograph.secrets")
*/}}
{{- define "heliograph.workload" -}}
{{- $root := .root }}{{ $name := .name }}
{{- $c := fromYaml (include "heliograph.component" (list $root $name)) }}
{{- $meta := dict "root" $root "component" $name }}
{{- $connections := dict "root" $root "needs" .needs "secrets" .secrets "tmpSize" $c.tmpSize }}
{{- $autoscaled := and $c.autoscaling $c.autoscaling.enabled }}
{{- $scaler := fromJson (include "heliograph.scaler" (list $root $name) | default "{}") }}
{{- $fullname := printf "%s-%s" (include "heliograph.fullname" $root) $name }}
{{- $replicas := include "heliograph.replicas" (dict "root" $root "name" $fullname "c" $c "autoscaled" $autoscaled "scaler" $scaler) | trim }}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "heliograph.metadata" (merge (dict "annotations" $c.serviceAccountAnnotations) $meta) | nindent 2 }}
automountServiceAccountToken: false
---
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- $never := ternary (dict "heliograph.dev/replicas" "scaler") dict (and (not (empty $scaler)) (empty $replicas)) }}
  {{- include "heliograph.metadata" (merge (dict "annotations" $never) $meta) | nindent 2 }}
spec:
  {{- with $replicas }}
  replicas: {{ . }}
  {{- end }}
  revisionHistoryLimit: {{ $c.revisionHistoryLimit }}
  selector:
    matchLabels:
      {{- include "heliograph.selector" (list $root $name) | nindent 6 }}
  strategy:
    rollingUpdate:
      maxSurge: 25%
      maxUnavailable: 0
  template:
    metadata:
      labels:
        {{- include "heliograph.labels" (list $root $name) | nindent 8 }}
        {{- with $c.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- $annotations := merge (dict "kubectl.kubernetes.io/default-container" $name) $c.podAnnotations }}
      {{- with include "heliograph.credentials.data" $root }}
      {{- $_ := set $annotations "heliograph.dev/credentials" (sha256sum .) }}
      {{- end }}
      annotations:
        {{- toYaml $annotations | nindent 8 }}
    spec:
      serviceAccountName: {{ $fullname }}
      automountServiceAccountToken: {{ has "kubernetes" .needs }}
      enableServiceLinks: false # a Service of this release would look like a setting
      terminationGracePeriodSeconds: {{ add (int $c.preStopSeconds) (int (ceil $c.drainSeconds)) 10 }}
      {{- include "heliograph.scheduling" (dict "root" $root "name" $name "c" $c) | nindent 6 }}
      {{- if and $root.Values.provision.wait (has "postgres" .needs) }}
      initContainers:
        - name: wait-for-provision
          {{- include "heliograph.container" (dict "root" $root "c" $c) | nindent 10 }}
          command: [python, -c]
          args:
            - |
              {{- $root.Files.Get "files/wait_for_provision.py" | nindent 14 }}
          env:
            {{- include "heliograph.connections.env" $connections | nindent 12 }}
            {{- with $c.extraEnv }}{{ toYaml . | nindent 12 }}{{ end }}
          {{- with $c.extraEnvFrom }}
          envFrom:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          volumeMounts:
            {{- include "heliograph.connections.mounts" $connections | nindent 12 }}
            {{- with $c.extraVolumeMounts }}{{ toYaml . | nindent 12 }}{{ end }}
      {{- end }}
      containers:
        - name: {{ $name }}
          {{- include "heliograph.container" (dict "root" $root "c" $c) | nindent 10 }}
          ports:
            {{- if $c.service }}
            - name: http
              containerPort: 8080
            {{- end }}
            - name: management
              containerPort: 9090
          env:
            {{- include "heliograph.connections.env" $connections | nindent 12 }}
            - name: HELIOGRAPH_HTTP__HOST
              value: {{ $c.listen | quote }}
            - name: HELIOGRAPH_DRAIN_SECONDS
              value: {{ $c.drainSeconds | quote }}
            {{- range $key, $value := .env }}
            - name: HELIOGRAPH_{{ $key }}
              value: {{ $value | toString | quote }}
            {{- end }}
            {{- with $c.extraEnv }}{{ toYaml . | nindent 12 }}{{ end }}
          {{- with $c.extraEnvFrom }}
          envFrom:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          startupProbe: # until the process answers at all
            httpGet: {path: /livez, port: management}
            periodSeconds: 1
            timeoutSeconds: 1
            failureThreshold: 120
          livenessProbe: # the event loop turns; nothing outside of the process is asked
            httpGet: {path: /livez, port: management}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe: # what it cannot work without answers; a check takes 5 s at most
            httpGet: {path: /readyz, port: management}
            periodSeconds: 5
            timeoutSeconds: 6
            failureThreshold: 2
          {{- with $c.preStopSeconds }}
          lifecycle:
            preStop:
              sleep: {seconds: {{ . }}}
          {{- end }}
          volumeMounts:
            {{- include "heliograph.connections.mounts" $connections | nindent 12 }}
            {{- with $c.extraVolumeMounts }}{{ toYaml . | nindent 12 }}{{ end }}
        {{- with $c.extraContainers }}{{ toYaml . | nindent 8 }}{{ end }}
      volumes:
        {{- include "heliograph.connections.volumes" $connections | nindent 8 }}
        {{- with $c.extraVolumes }}{{ toYaml . | nindent 8 }}{{ end }}
{{- with $c.service }}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "heliograph.metadata" (merge (dict "annotations" .annotations) $meta) | nindent 2 }}
spec:
  type: {{ .type }}
  selector:
    {{- include "heliograph.selector" (list $root $name) | nindent 4 }}
  ports:
    - name: http
      port: {{ .port }}
      targetPort: http
      appProtocol: http
      {{- with .nodePort }}
      nodePort: {{ . }}
      {{- end }}
{{- end }}
{{- if $autoscaled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "heliograph.metadata" $meta | nindent 2 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ $fullname }}}
  minReplicas: {{ $c.autoscaling.minReplicas }}
  maxReplicas: {{ $c.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ $c.autoscaling.targetCPU }}}
{{- end }}
{{- $least := kindIs "invalid" $c.replicas | ternary 2 $c.replicas }}
{{- if $autoscaled }}{{ $least = $c.autoscaling.minReplicas }}{{ end }}
{{- if $scaler }}{{ $least = $scaler.maxReplicas }}{{ end }}{{/* one pod of one may be evicted under this budget, too */}}
{{- if and $c.pdb.enabled (gt (int $least) 1) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "heliograph.metadata" $meta | nindent 2 }}
spec:
  maxUnavailable: {{ $c.pdb.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "heliograph.selector" (list $root $name) | nindent 6 }}
{{- end }}
{{- end }}

{{/*
The number of pods as text, or nothing where the Deployment leaves it out. Takes a dict: root, name, c, autoscaled, scaler.

Helm sets a field that a release names to what it names, and one that it names no more to the default of Kubernetes, which is 1.
So what is scaled leaves the number out from its first release on, which an annotation of the Deployment tells the later ones:
then no upgrade moves it, whatever the operator sets meanwhile. Where an earlier release may have named a number, as when the
scaler was disabled, the number that the Deployment has now is rendered, then and ever after. `helm template` sees no Deployment.
*/}}
{{- define "heliograph.replicas" -}}
{{- if .scaler }}
{{- with lookup "apps/v1" "Deployment" .root.Release.Namespace .name }}
{{- if not (hasKey (.metadata.annotations | default dict) "heliograph.dev/replicas") }}{{ int .spec.replicas }}{{ end }}
{{- end }}
{{- else if and (not .autoscaled) (not (kindIs "invalid" .c.replicas)) }}{{ .c.replicas }}
{{- end }}
{{- end }}

{{/* What every container of ours has. Takes a dict: root, c. */}}
{{- define "heliograph.container" -}}
image: {{ include "heliograph.image" (list .root .c.image) | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- toYaml .c.securityContext | nindent 2 }}
resources:
  {{- toYaml .c.resources | nindent 2 }}
{{- end }}

{{/* Where and how a pod runs. Takes a dict: root, c, and name where pods shall be spread. */}}
{{- define "heliograph.scheduling" -}}
{{- $root := .root }}{{ $name := .name -}}
securityContext:
  {{- toYaml .c.podSecurityContext | nindent 2 }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .c.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .c.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .c.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .c.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .c.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $name }}
{{- if kindIs "slice" .c.topologySpreadConstraints }}
{{- with .c.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- else }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "heliograph.selector" (list $root $name) | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end }}
{{- end }}
