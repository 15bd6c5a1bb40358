{{/*
How this chart is made: files/manifests/ has copies of manifests/ (`make charts`), and the templates change them by the values.
So both ways to install are the same objects, and there is one place to edit.
*/}}

{{/* Is this an agent with rights in its own namespace and nowhere else? "true" or empty. */}}
{{- define "serin.isNamespaced" -}}
{{- if and .Values.namespace (eq .Values.namespace .Release.Namespace) }}true{{ end }}
{{- end -}}

{{/* Is a switch on that is on unless somebody says false? Not if its section is left empty: so files come from comments. */}}
{{- define "serin.isOn" -}}
{{- if ne (toString .) "false" }}true{{ end }}
{{- end -}}

{{- define "serin.hasWebhook" -}}
{{- if and (include "serin.isOn" (.Values.webhook).enabled) (not (include "serin.isNamespaced" .)) }}true{{ end }}
{{- end -}}

{{- define "serin.hasPrometheus" -}}
{{- if and (.Values.prometheus).install (not (include "serin.isNamespaced" .)) }}true{{ end }}
{{- end -}}

{{/* The objects of files of manifests/, as JSON: (list context path...). Where they say gloo-system, the release is meant. */}}
{{- define "serin.objects" -}}
{{- $root := first . }}
{{- $objects := list }}
{{- range $path := rest . }}
{{- $text := $root.Files.Get (printf "files/manifests/%s" $path) | required (printf "files/manifests/%s is missing: make charts" $path) }}
{{- range $document := regexSplit "(?m)^---$" ($text | replace "gloo-system" $root.Release.Namespace) -1 }}
{{- $object := fromYaml $document }}
{{- if $object }}
{{- if $object.Error }}{{ fail (printf "files/manifests/%s: %s" $path $object.Error) }}{{ end }}
{{- include "serin.own" (list $root $object) }}
{{- $objects = append $objects $object }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $objects }}
{{- end -}}

{{/* Give an object the labels of the release, and its namespace if it has one: (list context object). */}}
{{- define "serin.own" -}}
{{- $root := index . 0 }}
{{- $object := index . 1 }}
{{- $labels := dict
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_")
  "app.kubernetes.io/instance" $root.Release.Name
  "app.kubernetes.io/managed-by" $root.Release.Service }}
{{- $_ := set $object.metadata "labels" (mergeOverwrite (dict) ($object.metadata.labels | default dict) $labels) }}
{{- $ofCluster := list "ClusterRole" "ClusterRoleBinding" "CustomResourceDefinition" "MutatingWebhookConfiguration"
  "ValidatingWebhookConfiguration" "ValidatingAdmissionPolicy" "ValidatingAdmissionPolicyBinding" }}
{{- if not (has $object.kind $ofCluster) }}
{{- $_ := set $object.metadata "namespace" ($object.metadata.namespace | default $root.Release.Namespace) }}
{{- end }}
{{- end -}}

{{/* Objects as a stream of documents: a list. */}}
{{- define "serin.stream" -}}
{{- range . }}
---
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The name of our image. A published chart names the one that was built with it, and any value of it takes its place. */}}
{{- define "serin.image" -}}
{{- $image := ((.Values.images).serin) | default dict }}
{{- $repository := $image.repository | default "serin" }}
{{- $published := index (.Chart.Annotations | default dict) "serin.dev/image" }}
{{- if and $published (eq $repository "serin") (not $image.tag) (not $image.digest) }}{{ $published }}
{{- else if $image.digest }}{{ $repository }}@{{ $image.digest }}
{{- else }}{{ $repository }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end -}}

{{/* The level of the log; Flagger's other names are known. */}}
{{- define "serin.logLevel" -}}
{{- $level := .Values.logLevel | default "info" }}
{{- get (dict "warn" "warning" "fatal" "error" "panic" "error") $level | default $level }}
{{- end -}}

{{/* Give a flag of a container a value: the one that is there is replaced. (list container name value) */}}
{{- define "serin.setFlag" -}}
{{- $container := index . 0 }}
{{- $flag := printf "--%s=" (index . 1) }}
{{- $argument := printf "%s%v" $flag (index . 2) }}
{{- $arguments := list }}
{{- range $container.args }}
{{- $arguments = append $arguments (ternary $argument . (hasPrefix $flag .)) }}
{{- end }}
{{- if not (has $argument $arguments) }}{{ $arguments = append $arguments $argument }}{{ end }}
{{- $_ := set $container "args" $arguments }}
{{- end -}}

{{/* Add arguments: (list container argument...) */}}
{{- define "serin.addArguments" -}}
{{- $_ := set (first .) "args" (concat (first .).args (rest .)) }}
{{- end -}}

{{/* What all pods of the chart have: (list context pod) */}}
{{- define "serin.pod" -}}
{{- $root := index . 0 }}
{{- $pod := index . 1 }}
{{- $pulls := $root.Values.imagePullSecrets | default list }}
{{- with ($root.Values.image).pullSecret }}{{ $pulls = append $pulls (dict "name" .) }}{{ end }}
{{- with $pulls }}{{ $_ := set $pod "imagePullSecrets" . }}{{ end }}
{{- with $root.Values.nodeSelector }}{{ $_ := set $pod "nodeSelector" (include "serin.texts" . | fromJson) }}{{ end }}
{{- with $root.Values.tolerations }}{{ $_ := set $pod "tolerations" . }}{{ end }}
{{- with $root.Values.podPriorityClassName }}{{ $_ := set $pod "priorityClassName" . }}{{ end }}
{{- end -}}

{{/* What pods of our image have: (list context pod) */}}
{{- define "serin.ownPod" -}}
{{- $root := index . 0 }}
{{- $pod := index . 1 }}
{{- include "serin.pod" . }}
{{- if not (include "serin.isOn" ($root.Values.securityContext).enabled) }}{{ include "serin.anyUser" $pod }}{{ end }}
{{- range $container := $pod.containers }}
{{- $_ := set $container "image" (include "serin.image" $root) }}
{{- $_ := set $container "imagePullPolicy" (($root.Values.image).pullPolicy | default "IfNotPresent") }}
{{- end }}
{{- end -}}

{{/* Leave the choice of users and groups to the cluster. */}}
{{- define "serin.anyUser" -}}
{{- $_ := set . "securityContext" (omit .securityContext "runAsUser" "runAsGroup" "fsGroup") }}
{{- end -}}

{{/* Labels or annotations as texts, whatever YAML took them for, as JSON. */}}
{{- define "serin.texts" -}}
{{- $texts := dict }}
{{- range $name, $value := . }}{{ $_ := set $texts $name (ternary $value (toJson $value) (kindIs "string" $value)) }}{{ end }}
{{- toJson $texts }}
{{- end -}}

{{/* Merge labels or annotations; what is there stays: (list metadata key values) */}}
{{- define "serin.addMetadata" -}}
{{- $metadata := index . 0 }}
{{- $key := index . 1 }}
{{- with index . 2 }}
{{- $there := index $metadata $key | default dict }}
{{- $texts := include "serin.texts" . | fromJson }}
{{- $_ := set $metadata $key (mergeOverwrite (dict) $texts (ternary $there (dict) (eq $key "labels"))) }}
{{- if eq $key "annotations" }}{{ $_ := set $metadata $key (mergeOverwrite (dict) $there $texts) }}{{ end }}
{{- end }}
{{- end -}}

{{/* Are references to other namespaces forbidden? Flagger's value is a truth value; {enabled: true} is read too. */}}
{{- define "serin.isConfined" -}}
{{- $found := .Values.noCrossNamespaceRefs }}
{{- if kindIs "map" $found }}{{ $found = $found.enabled }}{{ end }}
{{- if eq (toString $found) "true" }}true{{ end }}
{{- end -}}

{{/* The ending that kustomize gives a generated ConfigMap's name, so that pods start anew with another content, and not when
an installation by kustomize becomes one by Helm. */}}
{{- define "serin.configHash" -}}
{{- $hash := dict "kind" "ConfigMap" "name" "" "data" . | toRawJson | replace "<" "\\u003c" | replace ">" "\\u003e" | replace "&" "\\u0026" | sha256sum | trunc 10 }}
{{- $hash | replace "0" "g" | replace "1" "h" | replace "3" "k" | replace "a" "m" | replace "e" "t" }}
{{- end -}}

{{/*
Is the CRD of a name ours to install? If absent, or this release's, or to be taken over. With crd.create=false, which files
of Flagger's have, `helm template` has none: it can't know what is absent. (list context name)
*/}}
{{- define "serin.mayOwn" -}}
{{- $root := index . 0 }}
{{- $there := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" (index . 1) }}
{{- if ($root.Values.crd).adopt }}true
{{- else if $there }}{{ include "serin.isOurs" (list $root $there) }}
{{- else if include "serin.isOn" ($root.Values.crd).create }}true
{{- else if lookup "v1" "Namespace" "" "kube-system" }}true{{ end }}
{{- end -}}

{{/* Does an object belong to this release? (list context object) */}}
{{- define "serin.isOurs" -}}
{{- $root := index . 0 }}
{{- $annotations := (index . 1).metadata.annotations | default dict }}
{{- $name := index $annotations "meta.helm.sh/release-name" }}
{{- $namespace := index $annotations "meta.helm.sh/release-namespace" }}
{{- if and (eq (toString $name) $root.Release.Name) (eq (toString $namespace) $root.Release.Namespace) }}true{{ end }}
{{- end -}}

{{/* The flags by which Helm takes over what somebody else has applied: Helm 4 applies on the server, where that conflicts. */}}
{{- define "serin.takeOver" -}}
--take-ownership{{ if not (hasPrefix "v3." .Capabilities.HelmVersion.Version) }} --force-conflicts{{ end }}
{{- end -}}

{{/* What the agent reads from a Secret: the variables with their values, as JSON. */}}
{{- define "serin.secrets" -}}
{{- $slack := .Values.slack | default dict }}
{{- $found := dict }}
{{- with $slack.url }}{{ $_ := set $found "SLACK_URL" . }}{{ end }}
{{- with $slack.token }}{{ $_ := set $found "SLACK_TOKEN" . }}{{ end }}
{{- with $slack.proxyUrl | default $slack.proxy }}{{ $_ := set $found "SLACK_PROXY_URL" . }}{{ end }}
{{- with (.Values.msteams).url }}{{ $_ := set $found "MSTEAMS_URL" . }}{{ end }}
{{- with (.Values.msteams).proxyUrl }}{{ $_ := set $found "MSTEAMS_PROXY_URL" . }}{{ end }}
{{- with .Values.eventWebhook }}{{ $_ := set $found "EVENT_WEBHOOK_URL" . }}{{ end }}
{{- toJson $found }}
{{- end -}}

{{/* The port of the page: the last one that extraArgs have. */}}
{{- define "serin.pagePort" -}}
{{- $found := regexFindAll `(?m)^--page-port[=\n][0-9]+$` (join "\n" (.Values.extraArgs | default list)) -1 }}
{{- regexFind "[0-9]+$" (last (prepend $found "8081")) }}
{{- end -}}

{{/* Namespaces whose own agents would write to the same canaries as this one. */}}
{{- define "serin.agentsElsewhere" -}}
{{- $found := list }}
{{- if not (include "serin.isNamespaced" .) }}
{{- range (lookup "rbac.authorization.k8s.io/v1" "RoleBinding" "" "").items }}
{{- $where := .metadata.namespace }}
{{- if and (eq .metadata.name "serin-agent") (has $.Values.namespace (list nil "" $where)) }}{{ $found = append $found $where }}{{ end }}
{{- end }}
{{- end }}
{{- join ", " $found }}
{{- end -}}

{{/* A values file of Flagger's may have these names in its affinity. */}}
{{- define "flagger.name" -}}serin-agent{{- end -}}
{{- define "flagger.fullname" -}}serin-agent{{- end -}}

{{/* The tag of prometheus.image, if that is older than what the add-on's configuration needs; empty otherwise. */}}
{{- define "serin.isOldPrometheus" -}}
{{- $tag := regexFind ":v?[0-9]+\\.[0-9]+\\.[0-9]+[^/@]*" ((.Values.prometheus).image | default "") | trimPrefix ":" }}
{{- if and $tag (semverCompare "<2.43.0-0" $tag) }}{{ $tag }}{{ end }}
{{- end -}}

{{/* What the values have that means nothing here: one line each. */}}
{{- define "serin.ignored" -}}
{{- range $known := .Files.Get "files/ignored.yaml" | fromYamlArray }}
{{- $found := $.Values }}
{{- range $part := splitList "." $known.key }}
{{- $found = ternary (get (ternary $found dict (kindIs "map" $found)) $part) "" (kindIs "map" $found) }}
{{- end }}
{{- if and $found (ne (toString $found) "false") }}
  {{ $known.key }}: {{ $known.why }}.
{{- end }}
{{- end }}
{{- if not (include "serin.isOn" (.Values.leaderElection).enabled) }}
  leaderElection.enabled: found false; it is always on, so that two agents never write at once.
{{- end }}
{{- if lt ((.Values.leaderElection).replicaCount | default 1 | int) (.Values.shards | default 1 | int) }}
  shards: found {{ .Values.shards }}; with leaderElection.replicaCount {{ (.Values.leaderElection).replicaCount | default 1 }} an agent leads several of them.
{{- end }}
{{- if and (.Values.podDisruptionBudget).enabled (lt ((.Values.leaderElection).replicaCount | default 1 | int) 2) }}
  podDisruptionBudget.enabled: none is made for one agent, whose node could not be drained.
{{- end }}
{{- with include "serin.isOldPrometheus" . }}
{{- if include "serin.hasPrometheus" $ }}
  prometheus.image: found {{ . }}; the add-on needs 2.43 or newer, and has its own.
{{- end }}
{{- end }}
{{- if and .Values.metricsServer (include "serin.hasPrometheus" .) }}
  metricsServer: with prometheus.install the agent asks the add-on.
{{- end }}
{{- range $key, $_ := .Values }}
{{- if not (has $key (include "serin.knownKeys" $ | fromJsonArray)) }}
  {{ $key }}: no value of this chart, nor of Flagger's.
{{- end }}
{{- end }}
{{- end -}}

{{/* The first parts of all keys: of values.yaml, and of Flagger's that mean nothing here. */}}
{{- define "serin.knownKeys" -}}
{{- $known := list "global" "images" "image" "imagePullSecrets" "logLevel" "meshProvider" "gloo" "metricsServer" "namespace"
  "noCrossNamespaceRefs" "selectorLabels" "includeLabelPrefix" "configTracking" "judge" "keptn" "limits" "page" "eventWebhook" "clusterName" "slack" "msteams"
  "leaderElection" "shards" "podDisruptionBudget"
  "resources" "nodeSelector" "tolerations" "podPriorityClassName" "affinity" "topologySpreadConstraints" "env" "extraArgs"
  "additionalVolumes" "additionalVolumeMounts" "annotations" "deploymentLabels" "podAnnotations" "podLabels"
  "securityContext" "serviceAccount" "rbac" "crd" "guard" "networkPolicies" "webhook" "prometheus" "podMonitor"
  "serviceMonitor" "prometheusRule" "dashboards" }}
{{- range .Files.Get "files/ignored.yaml" | fromYamlArray }}
{{- $known = append $known (first (splitList "." .key)) }}
{{- end }}
{{- toJson $known }}
{{- end -}}

{{/* The CRDs that are there and that this release leaves as they are, by their names, with whether they keep what Serin stores.
None for an agent of one namespace: they are not its to take over, and it may not be allowed to look. */}}
{{- define "serin.foreignCrds" -}}
{{- $found := dict }}
{{- if not (include "serin.isNamespaced" .) }}
{{- range $name := list "canaries.flagger.app" "metrictemplates.flagger.app" "alertproviders.flagger.app" }}
{{- $there := lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" $name }}
{{- if and $there (not (include "serin.mayOwn" (list $ $name))) }}
{{- $isSerins := contains "\"serin\"" (toJson $there.spec) }}
{{- $_ := set $found $name $isSerins }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $found }}
{{- end -}}
