{{- /* What a part's pods have in common. Takes (list $ PART VALUES). */}}
{{- define "genai-cost.pod" -}}
{{- $root := index . 0 }}
{{- $values := index . 2 -}}
serviceAccountName: {{ include "genai-cost.name" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.pods.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $root.Values.pods.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- with $root.Values.pods.fsGroup }}
  fsGroup: {{ . | int64 }}
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /* Of a part's pods. Takes (list $ PART). */}}
{{- define "genai-cost.pod-metadata" -}}
{{- $values := (index . 0).Values.pods -}}
labels:
  {{- include "genai-cost.labels" . | nindent 2 }}
  {{- with $values.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $values.annotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* What a part's container has in common. Takes (list $ VALUES). */}}
{{- define "genai-cost.container" -}}
{{- $root := index . 0 }}
{{- $values := index . 1 -}}
image: {{ include "genai-cost.image" $root }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources: {{- toYaml $values.resources | nindent 2 }}
{{- end }}

{{- /* Further variables of a part. */}}
{{- define "genai-cost.settings" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
