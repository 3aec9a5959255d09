{{- define "maria.labels" -}}
app.kubernetes.io/name: maria
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "maria.pod" -}}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "maria.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
envFrom:
  - configMapRef: {name: {{ .Release.Name }}-maria}
  - secretRef: {name: {{ .Values.existingSecret }}}
volumeMounts:
  - {name: data, mountPath: /var/lib/maria}
{{- end }}
