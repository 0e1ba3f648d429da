package e2e_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/capsulet/capsulet/test/controlplane/progress"
)

// The real metrics server reads the node as it reads a kubelet: kubectl top shows what pods and the node use, and a
// HorizontalPodAutoscaler makes more of pods that are busy.
func TestMetrics(t *testing.T) {
	s := begin(t)
	m, err := s.W.ControlPlane.StartMetricsServer(t.Context(), progress.New(os.Stderr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	s.Apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{.Name}}}
spec:
  replicas: 1
  selector: {matchLabels: {app: busy}}
  template:
    metadata: {labels: {app: busy}}
    spec:
      {{pod 6}}
      terminationGracePeriodSeconds: 1
      containers:
        - {name: busy, image: {{.Image}}, args: [burn, 10ms], resources: {requests: {cpu: 20m}}}
        - {name: idle, image: {{.Image}}, args: [serve, "8080", idle], resources: {requests: {cpu: 20m}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: {{.Name}}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{.Name}}}
  minReplicas: 1
  maxReplicas: 2
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
`)
	s.Wait("it runs", time.Minute, "deploy/"+s.Namespace, "condition=Available")
	// The server needs two readings, ten seconds apart, of a container that is ten seconds old.
	figures := `\s+[1-9]\d*m\s+[1-9]\d*Mi\s*$`
	s.Prints("kubectl top pod shows a pod that is busy", 2*time.Minute, `(?m)^`+s.Namespace+`-\S+`+figures, "top", "pod", "--no-headers")
	s.Prints("and its containers", time.Minute, `(?m)^`+s.Namespace+`-\S+\s+busy`+figures, "top", "pod", "--containers", "--no-headers")
	s.Prints("kubectl top node shows the node", time.Minute, `^`+s.W.Node+`\s+[1-9]\d*m\s+\d+%\s+[1-9]\d*Mi\s+\d+%\s*$`,
		"top", "node", s.W.Node, "--no-headers")
	s.Wait("the autoscaler wants more", 2*time.Minute, "hpa/"+s.Namespace, "jsonpath={.status.desiredReplicas}=2")
	s.Wait("there are more", time.Minute, "deploy/"+s.Namespace, "jsonpath={.status.readyReplicas}=2")
}
