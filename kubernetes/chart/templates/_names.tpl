{{- define "genai-cost.name" -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- /* What a part's pods are selected by. Takes (list $ PART). */}}
{{- define "genai-cost.selector" -}}
app.kubernetes.io/name: genai-cost
app.kubernetes.io/instance: {{ (index . 0).Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- /* Of a part's objects. Takes (list $ PART). */}}
{{- define "genai-cost.labels" -}}
{{ include "genai-cost.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
{{- end }}

{{- define "genai-cost.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* Where agents and hops send journals. */}}
{{- define "genai-cost.ledger-url" -}}
{{ if .Values.ledger.tls.secret }}https{{ else }}http{{ end }}://{{ include "genai-cost.name" . }}-ledger.{{ .Release.Namespace }}.svc:{{ .Values.ledger.port }}
{{- end }}
