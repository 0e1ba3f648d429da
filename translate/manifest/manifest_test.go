package manifest_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/capsulet/capsulet/translate/manifest"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
)

const base = `
apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: {app: web}
  annotations: {owner: me}
spec:
  nodeSelector: {kubernetes.io/os: linux, kubernetes.io/hostname: h1, disk: ssd}
  tolerations: [{operator: Exists}]
  initContainers:
  - {name: first, image: "busybox:1", command: [sh, -c, "true"]}
  containers:
  - name: web
    image: nginx:1
    ports: [{containerPort: 80, name: http, hostPort: 8080}]
    env:
    - {name: A, value: b}
    - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: OPT, valueFrom: {secretKeyRef: {name: s, key: k, optional: true}}}
    resources: {requests: {memory: 64Mi}, limits: {memory: 128Mi, cpu: 500m}}
    readinessProbe: {httpGet: {path: /, port: http}}
    volumeMounts: [{name: data, mountPath: /data, readOnly: true}]
  volumes:
  - {name: data, emptyDir: {sizeLimit: 1Gi}}
`

func TestPodBecomesCapsule(t *testing.T) {
	spec, uid, err := manifest.Capsule([]byte(base))
	if err != nil || uid != "" {
		t.Fatalf("%v, uid %q", err, uid)
	}
	web := spec.Containers[0]
	got := []string{spec.Name, spec.Labels["app"], spec.Annotations["owner"], spec.HostSelector, spec.HostLabels["disk"], string(spec.RestartPolicy),
		spec.InitContainers[0].Name, web.Name, web.Image, string(web.ImagePullPolicy), web.Resources.Limits.Memory().String(),
		web.ReadinessProbe.HTTPGet.Port.String(), spec.Volumes[0].EmptyDir.SizeLimit.String()}
	want := []string{"web", "web", "me", "h1", "ssd", "Always", "first", "web", "nginx:1", "IfNotPresent", "128Mi", "80", "1Gi"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	env := map[string]capsule.EnvVar{}
	for _, e := range web.Env {
		env[e.Name] = e
	}
	if _, there := env["OPT"]; env["A"].Value != "b" || env["NAME"].Value != "web" || env["IP"].Ref != capsule.RefCapsuleAddress || there {
		t.Errorf("environment %+v", web.Env)
	}
	if len(spec.HostLabels) != 1 || !web.VolumeMounts[0].ReadOnly || web.Ports[0].HostPort != 8080 || *spec.TerminationGracePeriodSeconds != 30 {
		t.Errorf("%+v", spec)
	}
	_, uid, err = manifest.Capsule([]byte(strings.Replace(base, "name: web\n", "name: web\n  uid: 6519d448-9c87-446d-aab0-891f53eab948\n", 1)))
	if err != nil || uid != "6519d448-9c87-446d-aab0-891f53eab948" {
		t.Errorf("uid %q, %v", uid, err)
	}
}

func TestWhatNeedsKubernetesIsNamed(t *testing.T) {
	for _, row := range []struct{ name, old, replacement, want string }{
		{"a ConfigMap", "{name: A, value: b}", "{name: A, valueFrom: {configMapKeyRef: {name: c, key: k}}}", "spec.containers[0].env[0].valueFrom.configMapKeyRef: needs Kubernetes"},
		{"a Secret", "optional: true", "optional: false", "spec.containers[0].env[3].valueFrom.secretKeyRef: needs Kubernetes"},
		{"all of a Secret", "    env:\n", "    envFrom: [{secretRef: {name: s}}]\n    env:\n", "spec.containers[0].envFrom[0].secretRef: needs Kubernetes"},
		{"a volume of a Secret", "emptyDir: {sizeLimit: 1Gi}", "secret: {secretName: s}", "spec.volumes[0].secret: needs Kubernetes"},
		{"a volume of a ConfigMap", "emptyDir: {sizeLimit: 1Gi}", "configMap: {name: s}", "spec.volumes[0].configMap: needs Kubernetes"},
		{"a claim", "emptyDir: {sizeLimit: 1Gi}", "persistentVolumeClaim: {claimName: s}", "spec.volumes[0].persistentVolumeClaim: needs Kubernetes"},
		{"a token", "emptyDir: {sizeLimit: 1Gi}", "projected: {sources: [{serviceAccountToken: {path: t}}]}", "spec.volumes[0].projected.sources[0].serviceAccountToken: needs Kubernetes"},
		{"a pull secret", "spec:\n", "spec:\n  imagePullSecrets: [{name: s}]\n", "spec.imagePullSecrets[0]: needs Kubernetes"},
		{"a service account", "spec:\n", "spec:\n  serviceAccountName: s\n", "spec.serviceAccountName: needs Kubernetes"},
		{"affinity", "spec:\n", "spec:\n  affinity: {podAffinity: {}}\n", "spec.affinity: needs Kubernetes"},
		{"a priority class", "spec:\n", "spec:\n  priorityClassName: high\n", "spec.priorityClassName: needs Kubernetes"},
		{"its node's name", "status.podIP", "spec.nodeName", "env[2].valueFrom.fieldRef.fieldPath: needs Kubernetes"},
		{"its UID", "status.podIP", "metadata.uid", "env[2].valueFrom.fieldRef.fieldPath: needs Kubernetes"},
		{"a resource of the node", "{fieldRef: {fieldPath: status.podIP}}", "{resourceFieldRef: {resource: limits.ephemeral-storage}}", "env[2].valueFrom.resourceFieldRef: needs Kubernetes"},
		{"its UID in a file", "emptyDir: {sizeLimit: 1Gi}", "downwardAPI: {items: [{path: u, fieldRef: {fieldPath: metadata.uid}}]}", "spec.volumes[0].downwardAPI.items[0].fieldRef.fieldPath: needs Kubernetes"},
		{"a resource of the node in a file", "emptyDir: {sizeLimit: 1Gi}", "downwardAPI: {items: [{path: u, resourceFieldRef: {containerName: first, resource: limits.cpu}}]}", "spec.volumes[0].downwardAPI.items[0].resourceFieldRef: needs Kubernetes"},
		{"two at once", "spec:\n", "spec:\n  serviceAccountName: s\n  affinity: {podAffinity: {}}\n", "spec.serviceAccountName: needs Kubernetes, which has the service accounts; spec.affinity: needs"},
		{"what a node refuses too", "emptyDir: {sizeLimit: 1Gi}", "gcePersistentDisk: {pdName: d}", "spec.volumes[0].gcePersistentDisk: "},
		{"an unknown field", "spec:\n", "spec:\n  colour: red\n", `unknown field "spec.colour"`},
		{"another version", "apiVersion: v1", "apiVersion: v2", "'v2' is not one of ['v1']"},
		{"no name", "  name: web\n  labels", "  labels", "'name' is a required property"},
		{"a rule of templates", "8080", "80800", "80800 is greater than the maximum of 65535"},
	} {
		doc := strings.Replace(base, row.old, row.replacement, 1)
		if doc == base {
			t.Fatalf("%s: nothing was replaced", row.name)
		}
		_, _, err := manifest.Capsule([]byte(doc))
		var e *template.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
}
