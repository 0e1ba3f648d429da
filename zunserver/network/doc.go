// Package network reaches what listens inside a capsule: for port-forward, for probes and for hooks.
//
// [Near] serves hosts that share this process' kernel: it enters the network namespace of the sandbox for the moment of
// the dialling, so that ports that listen on localhost alone are reached as well, and speaks through the socket from
// outside after that: no byte takes a detour.
//
// Decisions (2026-11-20):
//   - localhost first, the capsule's address second: that is what the kubelet's port-forward means, and most servers
//     listen on both. Without the privilege to enter a namespace only the address is tried.
//   - a process ID is believed only when its cgroup names the container: in a container without the host's PID
//     namespace the number would be somebody else's.
//   - on far hosts a program in the sandbox (package inside) dials, many connections over one command; it is started when
//     somebody dials and ended when nobody has for a while.
package network
