package e2e_test

import (
	"testing"
	"time"
)

// A Deployment becomes available, scales both ways, and rolls to a new template without losing its service.
func TestDeployment(t *testing.T) {
	s := begin(t)
	manifest := `
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{.Name}}}
spec:
  replicas: 2
  selector: {matchLabels: {app: {{.Name}}}}
  template:
    metadata: {labels: {app: {{.Name}}}}
    spec:
      {{pod 6}}
      terminationGracePeriodSeconds: 2
      initContainers: [{name: init, image: {{.Image}}, args: [exit, "0"]}]
      containers:
        - name: server
          image: {{.Image}}
          args: [serve, "8080", server]
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /state/ready, port: http}, periodSeconds: 1}
          resources: {requests: {cpu: 10m, memory: 8Mi}, limits: {memory: 64Mi}}
        - {name: side, image: {{.Image}}, args: [tick, 1s]}
`
	s.Apply(manifest)
	deploy := "deployment/" + s.Namespace
	s.Must("rollout", "status", deploy, "--timeout=90s")
	s.Wait("it is available", time.Second, deploy, "condition=Available")
	s.Must("scale", deploy, "--replicas=3")
	s.Must("rollout", "status", deploy, "--timeout=60s")
	s.Must("scale", deploy, "--replicas=1")
	s.Prints("one is left", time.Minute, `^1$`, "get", deploy, "-o", "jsonpath={.status.replicas}")
	s.Must("patch", deploy, "-p", `{"spec":{"template":{"metadata":{"labels":{"round":"two"}}}}}`)
	s.Must("rollout", "status", deploy, "--timeout=60s")
	s.Must("delete", deploy, "--cascade=foreground", "--timeout=60s")
}

// A Job counts successes and failures by exit code, for both restart policies.
func TestJob(t *testing.T) {
	s := begin(t)
	s.Apply(`
apiVersion: batch/v1
kind: Job
metadata: {name: {{.Name}}-good}
spec:
  completions: 3
  parallelism: 2
  template:
    spec:
      {{pod 6}}
      restartPolicy: Never
      containers: [{name: main, image: {{.Image}}, args: [exit, "0", 500ms]}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: {{.Name}}-bad}
spec:
  backoffLimit: 1
  template:
    spec:
      {{pod 6}}
      restartPolicy: Never
      containers: [{name: main, image: {{.Image}}, args: [exit, "1"]}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: {{.Name}}-again}
spec:
  backoffLimit: 1
  template:
    spec:
      {{pod 6}}
      restartPolicy: OnFailure
      containers: [{name: main, image: {{.Image}}, args: [exit, "1"]}]
`)
	s.Wait("three successes complete it", 90*time.Second, "job/"+s.Namespace+"-good", "condition=Complete")
	s.Wait("two failed pods are too many", 90*time.Second, "job/"+s.Namespace+"-bad", "condition=Failed")
	s.Wait("so are two failed attempts in one pod", 90*time.Second, "job/"+s.Namespace+"-again", "condition=Failed")
	if got := s.Get("job/"+s.Namespace+"-good", "{.status.succeeded}"); got != "3" {
		t.Errorf("succeeded is %q", got)
	}
	if got := s.Get("job/"+s.Namespace+"-bad", "{.status.failed}"); got != "2" {
		t.Errorf("failed is %q", got)
	}
}
