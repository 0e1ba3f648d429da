// Package remote speaks the protocols of Kubernetes for commands, attachments and forwarded ports on a connection that
// leaves HTTP. What runs and where a port leads is its caller's business.
//
//	command, attachment   SPDY/3.1 with v1 to v4 of the remote-command protocol; WebSocket with v1, v4 and v5
//	forwarded ports       SPDY/3.1; WebSocket with SPDY in it (SPDY/3.1+portforward.k8s.io), and with v4 channels
//
// The library k8s.io/cri-streaming is what kubelets and container engines serve these with. Three things are missing in it
// and are here: v5, the only WebSocket protocol that can close stdin alone (websocket.go); the tunnel of SPDY in a
// WebSocket (tunnel.go); and the end of a session whose caller has hung up, which the library notices only when it next
// writes (leaving.go).
//
// Decisions (2026-11-20): k8s.io/cri-streaming and not its twin k8s.io/kubelet/pkg/cri/streaming, which is the same code
// but depends on client-go: the capsule server knows no Kubernetes client.
package remote
