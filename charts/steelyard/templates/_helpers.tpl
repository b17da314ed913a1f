{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{- define "steelyard.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else }}{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}{{ end }}{{ end }}
{{- end }}

{{- define "steelyard.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "steelyard.labels" -}}
{{ include "steelyard.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "steelyard.account" -}}
{{ if .Values.serviceAccount.create }}{{ default (include "steelyard.fullname" .) .Values.serviceAccount.name }}
{{- else }}{{ required "serviceAccount.name: give the account to use, or set serviceAccount.create" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{/* The configuration file: what the chart must know, then what the user says. */}}
{{- define "steelyard.config" -}}
{{- $base := dict "apiVersion" "steelyard.dev/v1" "kind" "SteelyardConfiguration" }}
{{- if not (or .Values.config.schedulerNames .Values.config.profiles) }}
{{- $_ := set $base "schedulerNames" (list .Values.schedulerName) }}
{{- end }}
{{- $_ := set $base "server" (dict "bindAddress" "0.0.0.0" "port" .Values.service.port) }}
{{- $_ := set $base "logging" (dict "format" "json") }}
{{- $_ := set $base "leaderElection" (dict "leaderElect" (gt (int .Values.replicaCount) 1) "resourceName" (include "steelyard.fullname" .) "resourceNamespace" .Release.Namespace) }}
{{- toYaml (mustMergeOverwrite $base (deepCopy .Values.config)) }}
{{- end }}
