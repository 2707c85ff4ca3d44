{{- define "snapshotter.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "snapshotter.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "snapshotter.labels" -}}
{{ include "snapshotter.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "snapshotter.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "snapshotter.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "snapshotter.name" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{- define "snapshotter.queue" -}}
{{- $url := required "queue.url: where is the database? postgresql://user@host/name" .Values.queue.url -}}
{{- if not (hasPrefix "postgres" $url) -}}
{{- fail "queue.url: several workers need one PostgreSQL; a file in a pod is nobody else's" -}}
{{- end -}}
{{- if .Values.queue.passwordSecret -}}
{{ $url }}{{ ternary "&" "?" (contains "?" $url) }}password_file=/secrets/queue/password
{{- else -}}
{{ $url }}
{{- end -}}
{{- end -}}
