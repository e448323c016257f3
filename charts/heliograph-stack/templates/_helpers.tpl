{{- define "stack.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Takes (list root component). */}}
{{- define "stack.selector" -}}
app.kubernetes.io/name: {{ (first .).Chart.Name }}
app.kubernetes.io/instance: {{ (first .).Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end }}

{{/* `name`, `namespace` and `labels` of an object. Takes (list root component). */}}
{{- define "stack.metadata" -}}
{{- $root := first . -}}
name: {{ include "stack.fullname" $root }}{{ with last . }}-{{ . }}{{ end }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "stack.selector" . | nindent 2 }}
  app.kubernetes.io/part-of: {{ $root.Chart.Name }}
  app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ $root.Release.Service }}
  helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/*
One server: Service, StatefulSet with one volume, NetworkPolicy. Takes a dict: root, name, port, uid, mountPath, probe, and
the container's own fields under `container`; more volumes, mounts and init containers where needed.
*/}}
{{- define "stack.server" -}}
{{- $root := .root }}{{ $name := .name }}{{ $values := index .root.Values .name }}
{{- if hasSuffix ":latest" $values.image }}
{{- fail (printf "%s.image must not have the tag `latest`, which changes over time: set a version" $name) }}
{{- end }}
apiVersion: v1
kind: Service
metadata:
  {{- include "stack.metadata" (list $root $name) | nindent 2 }}
spec:
  selector:
    {{- include "stack.selector" (list $root $name) | nindent 4 }}
  ports:
    - name: {{ $name }}
      port: {{ .port }}
      targetPort: {{ $name }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "stack.metadata" (list $root $name) | nindent 2 }}
spec:
  serviceName: {{ include "stack.fullname" $root }}-{{ $name }}
  replicas: 1
  selector:
    matchLabels:
      {{- include "stack.selector" (list $root $name) | nindent 6 }}
  persistentVolumeClaimRetentionPolicy:
    whenDeleted: {{ $root.Values.keepData | ternary "Retain" "Delete" }}
    whenScaled: Retain
  template:
    metadata:
      labels:
        {{- include "stack.selector" (list $root $name) | nindent 8 }}
        app.kubernetes.io/part-of: {{ $root.Chart.Name }}
      {{- with .annotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 60
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        runAsUser: {{ .uid }}
        runAsGroup: {{ .uid }}
        fsGroup: {{ .uid }}
        fsGroupChangePolicy: OnRootMismatch
        seccompProfile: {type: RuntimeDefault}
      {{- with .initContainers }}
      initContainers:
        {{- range . }}
        - {{- include "stack.container" (list $root $values .) | nindent 10 }}
          volumeMounts:
            - {name: data, mountPath: {{ $.mountPath }}}
        {{- end }}
      {{- end }}
      containers:
        - name: {{ $name }}
          {{- include "stack.container" (list $root $values .container) | nindent 10 }}
          ports:
            - name: {{ $name }}
              containerPort: {{ .port }}
          startupProbe:
            {{- toYaml .probe | nindent 12 }}
            periodSeconds: 1
            timeoutSeconds: 5
            failureThreshold: 120
          readinessProbe:
            {{- toYaml .probe | nindent 12 }}
            periodSeconds: 5
            timeoutSeconds: 5
          volumeMounts:
            - {name: data, mountPath: {{ .mountPath }}}
            - {name: tmp, mountPath: /tmp}
            {{- with .mounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - {name: tmp, emptyDir: {sizeLimit: 256Mi}}
        {{- with .volumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumeClaimTemplates:
    - apiVersion: v1
      kind: PersistentVolumeClaim
      metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $root.Values.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources: {requests: {storage: {{ $values.storage }}}}
{{- if $root.Values.networkPolicy }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "stack.metadata" (list $root $name) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "stack.selector" (list $root $name) | nindent 6 }}
  policyTypes: [Ingress, Egress] # out: nowhere
  ingress:
    - ports: [{port: {{ $name }}}]
      from:
        {{- toYaml $root.Values.clients | nindent 8 }}
{{- end }}
{{- end }}

{{/* Takes (list root values fields). */}}
{{- define "stack.container" -}}
{{- $root := index . 0 }}{{ $values := index . 1 }}
{{- toYaml (index . 2) }}
image: {{ $values.image | quote }}
imagePullPolicy: {{ $root.Values.imagePullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources:
  {{- toYaml $values.resources | nindent 2 }}
{{- end }}
