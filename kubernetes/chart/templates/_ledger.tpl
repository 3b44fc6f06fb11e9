{{- /* Whether there is a ledger here, or what takes its place. */}}
{{- define "genai-cost.has-ledger" -}}
{{ or .Values.ledger.enabled .Values.standby.enabled }}
{{- end }}

{{- /* Which part the ledger's address leads to. Without a ledger, what stood by is the ledger. */}}
{{- define "genai-cost.serving" -}}
{{ ternary "standby" "ledger" (and .Values.standby.enabled (not .Values.ledger.enabled)) }}
{{- end }}

{{- /* Pods of a ledger, or of what stands by for it. Takes (list $ PART VALUES). */}}
{{- define "genai-cost.ledger-pods" }}
{{- $root := index . 0 }}
{{- $part := index . 1 }}
{{- $ledger := index . 2 }}
{{- $name := printf "%s-%s" (include "genai-cost.name" $root) $part }}
{{- $backups := "/var/lib/genai-cost-backups" }}
{{- $scheme := ternary "HTTPS" "HTTP" (ne $ledger.tls.secret "") }}
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}-pods
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "genai-cost.labels" (list $root (printf "%s-pods" $part)) | nindent 4 }}
spec:
  clusterIP: None
  selector: {{- include "genai-cost.selector" (list $root $part) | nindent 4 }}
  publishNotReadyAddresses: true
  ports:
    - {name: http, port: {{ $ledger.port }}, targetPort: http}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "genai-cost.labels" (list $root $part) | nindent 4 }}
spec:
  # One writer for one file. While it restarts, senders keep what they have.
  replicas: 1
  serviceName: {{ $name }}-pods
  selector:
    matchLabels: {{- include "genai-cost.selector" (list $root $part) | nindent 6 }}
  # The money outlives the release: delete the claim yourself.
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain}
  template:
    metadata: {{- include "genai-cost.pod-metadata" (list $root $part) | nindent 6 }}
    spec:
      {{- include "genai-cost.pod" (list $root $part $ledger) | nindent 6 }}
      terminationGracePeriodSeconds: 45
      {{- if eq $part "standby" }}
      # Elsewhere than the ledger, if there is room; else beside it, since a ledger has to have a place first.
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              podAffinityTerm:
                topologyKey: {{ $ledger.topologyKey }}
                labelSelector:
                  matchLabels: {{- include "genai-cost.selector" (list $root "ledger") | nindent 20 }}
      {{- end }}
      containers:
        - name: {{ $part }}
          {{- include "genai-cost.container" (list $root $ledger) | nindent 10 }}
          args:
            - ledger
            {{- if eq $part "standby" }}
            - standby
            - {{ $backups }}
            {{- else }}
            - serve
            {{- if $ledger.backups.enabled }}
            - --backups={{ $backups }}
            {{- end }}
            {{- end }}
            {{- if $ledger.backups.enabled }}
            - --backup-every={{ $ledger.backups.everyMinutes }}
            - --backups-kept={{ $ledger.backups.kept | int64 }}
            {{- end }}
            - --listen=0.0.0.0:{{ $ledger.port }}
            - --tokens=/etc/genai-cost/senders/{{ $root.Values.senders.file }}
            - --reserve-mib={{ $ledger.reserveMib | int64 }}
            {{- if $ledger.metricsTenants }}
            - --metrics-tenants={{ $ledger.metricsTenants | int64 }}
            {{- end }}
            {{- if $ledger.retire }}
            - --retire
            {{- end }}
            {{- if $ledger.tls.secret }}
            - --tls-cert=/etc/genai-cost/tls/tls.crt
            - --tls-key=/etc/genai-cost/tls/tls.key
            {{- end }}
          env:
            - name: OTEL_GENAI_COST_LEDGER
              value: /var/lib/genai-cost/ledger
            {{- with $ledger.settings }}
            {{- include "genai-cost.settings" . | trim | nindent 12 }}
            {{- end }}
          ports:
            - {name: http, containerPort: {{ $ledger.port }}}
          {{- if eq $part (include "genai-cost.serving" $root) }}
          # What came before the end is looked through first.
          startupProbe:
            httpGet: {path: /healthz, port: http, scheme: {{ $scheme }}}
            periodSeconds: 2
            failureThreshold: 150
          livenessProbe:
            httpGet: {path: /healthz, port: http, scheme: {{ $scheme }}}
            periodSeconds: 20
            timeoutSeconds: 10
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /readyz, port: http, scheme: {{ $scheme }}}
            periodSeconds: 5
            timeoutSeconds: 5
          {{- end }}
          volumeMounts:
            - {name: ledger, mountPath: /var/lib/genai-cost}
            {{- if $ledger.backups.enabled }}
            - name: backups
              mountPath: {{ $backups }}
              {{- with $ledger.backups.folder }}
              subPath: {{ . }}
              {{- end }}
            {{- end }}
            - {name: senders, mountPath: /etc/genai-cost/senders, readOnly: true}
            {{- if $ledger.tls.secret }}
            - {name: tls, mountPath: /etc/genai-cost/tls, readOnly: true}
            {{- end }}
            - {name: tmp, mountPath: /tmp}
      volumes:
        {{- if $ledger.backups.enabled }}
        - name: backups
          persistentVolumeClaim: {claimName: {{ $ledger.backups.claim | default (printf "%s-ledger-backups" (include "genai-cost.name" $root)) }}}
        {{- end }}
        - name: senders
          secret: {secretName: {{ $root.Values.senders.secret }}}
        {{- with $ledger.tls.secret }}
        - name: tls
          secret: {secretName: {{ . }}}
        {{- end }}
        - name: tmp
          emptyDir: {}
  volumeClaimTemplates:
    - metadata:
        name: ledger
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $ledger.storage.className }}
        storageClassName: {{ . }}
        {{- end }}
        resources: {requests: {storage: {{ $ledger.storage.size }}}}
---
# A drained node may take the ledger along: nothing is lost by that, and nobody is asked.
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "genai-cost.labels" (list $root $part) | nindent 4 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "genai-cost.selector" (list $root $part) | nindent 6 }}
{{- end }}
