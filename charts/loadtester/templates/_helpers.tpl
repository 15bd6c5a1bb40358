{{/*
How this chart is made: files/manifests/ has copies of manifests/ (`make charts`), and the templates change them by the
values. So both ways to install are the same objects, and there is one place to edit.
*/}}

{{/* The name of all objects, as Flagger's chart names them. */}}
{{- define "loadtester.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 59 | trimSuffix "-" }}
{{- else if contains "loadtester" .Release.Name }}{{ .Release.Name | trunc 59 | trimSuffix "-" }}
{{- else }}{{ printf "%s-loadtester" .Release.Name | trunc 59 | trimSuffix "-" }}{{ end }}
{{- end -}}

{{/* A values file of Flagger's may have this name in its affinity. */}}
{{- define "loadtester.name" -}}{{ include "loadtester.fullname" . }}{{- end -}}

{{/* The objects of files of manifests/, as JSON: (list context path...) */}}
{{- define "loadtester.objects" -}}
{{- $root := first . }}
{{- $objects := list }}
{{- range $path := rest . }}
{{- $text := $root.Files.Get (printf "files/manifests/%s" $path) | required (printf "files/manifests/%s is missing: make charts" $path) }}
{{- range $document := regexSplit "(?m)^---$" ($text | replace "flagger-loadtester" (include "loadtester.fullname" $root)) -1 }}
{{- $object := fromYaml $document }}
{{- if $object }}
{{- if $object.Error }}{{ fail (printf "files/manifests/%s: %s" $path $object.Error) }}{{ end }}
{{- include "loadtester.own" (list $root $object) }}
{{- $objects = append $objects $object }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $objects }}
{{- end -}}

{{/* Give an object the labels of the release, and its namespace if it has one: (list context object) */}}
{{- define "loadtester.own" -}}
{{- $root := index . 0 }}
{{- $object := index . 1 }}
{{- $labels := dict
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_")
  "app.kubernetes.io/instance" $root.Release.Name
  "app.kubernetes.io/managed-by" $root.Release.Service }}
{{- $_ := set $object.metadata "labels" (mergeOverwrite (dict) ($object.metadata.labels | default dict) $labels) }}
{{- if not (hasPrefix "ClusterRole" $object.kind) }}{{ $_ := set $object.metadata "namespace" $root.Release.Namespace }}{{ end }}
{{- end -}}

{{- define "loadtester.image" -}}
{{- $image := ((.Values.images).loadtester) | default dict }}
{{- $repository := $image.repository | default "serin-loadtester" }}
{{- $published := index (.Chart.Annotations | default dict) "serin.dev/image" }}
{{- if and $published (eq $repository "serin-loadtester") (not $image.tag) (not $image.digest) }}{{ $published }}
{{- else if $image.digest }}{{ $repository }}@{{ $image.digest }}
{{- else }}{{ $repository }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end -}}

{{/* The level of the log; Flagger's other names are known. */}}
{{- define "loadtester.logLevel" -}}
{{- $level := .Values.logLevel | default "info" }}
{{- get (dict "warn" "warning" "fatal" "error" "panic" "error") $level | default $level }}
{{- end -}}

{{/* Labels or annotations as texts, whatever YAML took them for, as JSON. */}}
{{- define "loadtester.texts" -}}
{{- $texts := dict }}
{{- range $name, $value := . }}{{ $_ := set $texts $name (ternary $value (toJson $value) (kindIs "string" $value)) }}{{ end }}
{{- toJson $texts }}
{{- end -}}

{{/* Add texts to labels or annotations: (list metadata key values). A selector's label stays as it is. */}}
{{- define "loadtester.addMetadata" -}}
{{- $metadata := index . 0 }}
{{- $key := index . 1 }}
{{- with index . 2 }}
{{- $texts := include "loadtester.texts" . | fromJson }}
{{- if eq $key "labels" }}{{ $texts = omit $texts "app" }}{{ end }}
{{- $_ := set $metadata $key (mergeOverwrite (dict) (index $metadata $key | default dict) $texts) }}
{{- end }}
{{- end -}}

{{/* Secrets to pull with, as JSON. */}}
{{- define "loadtester.pulls" -}}
{{- $pulls := .Values.imagePullSecrets | default list }}
{{- with (.Values.image).pullSecret }}{{ $pulls = append $pulls (dict "name" .) }}{{ end }}
{{- toJson $pulls }}
{{- end -}}

{{/* What the values have that means nothing here: one line each. */}}
{{- define "loadtester.ignored" -}}
{{- range $known := .Files.Get "files/ignored.yaml" | fromYamlArray }}
{{- $found := $.Values }}
{{- range $part := splitList "." $known.key }}
{{- $found = ternary (get (ternary $found dict (kindIs "map" $found)) $part) "" (kindIs "map" $found) }}
{{- end }}
{{- if and $found (ne (toString $found) "false") }}
  {{ $known.key }}: {{ $known.why }}.
{{- end }}
{{- end }}
{{- if gt (.Values.replicaCount | default 1 | int) 1 }}
  replicaCount: found {{ .Values.replicaCount }}; one runs, for which commands run is known to one process.
{{- end }}
{{- range $key, $_ := .Values }}
{{- if not (has $key (include "loadtester.knownKeys" $ | fromJsonArray)) }}
  {{ $key }}: no value of this chart, nor of Flagger's.
{{- end }}
{{- end }}
{{- end -}}

{{/* The first parts of all keys: of values.yaml, and of Flagger's that mean nothing here. */}}
{{- define "loadtester.knownKeys" -}}
{{- $known := list "global" "images" "image" "imagePullSecrets" "fullnameOverride" "replicaCount" "logLevel" "cmd" "service"
  "env" "volumes" "volumeMounts" "resources" "nodeSelector" "tolerations" "affinity" "podPriorityClassName" "podLabels"
  "podAnnotations" "rbac" "serviceAccountName" "securityContext" "podSecurityContext" "podDisruptionBudget"
  "networkPolicies" }}
{{- range .Files.Get "files/ignored.yaml" | fromYamlArray }}
{{- $known = append $known (first (splitList "." .key)) }}
{{- end }}
{{- toJson $known }}
{{- end -}}
