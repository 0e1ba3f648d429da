// Package engine runs a private Docker engine for fault tests: one that may be killed, frozen and restarted without
// hurting the engine of the machine or another test.
//
//	this network namespace            the engine's own network + mount namespace
//	  test, capsulet ── ceN ══ veth ══ eth0 ── dockerd, containerd ── docker0 172.30.N.1/24 ── capsules
//	                10.213.N.1      10.213.N.2
//
// A route to 172.30.N.0/24 lets the test reach capsule addresses, as capsulet on an engine's own machine does. Both
// programs share one mount namespace, because dockerd mounts the root file systems that containerd's shims enter; its
// mounts go with it.
//
// # Ownership
//
// [Start] makes it and [Engine.Remove] takes away all of it: containers, processes, namespaces, veth, cgroups and
// directories. Number N is held by a lock file for as long as this process lives. When a test process is killed,
// dockerd and containerd die with it (Pdeathsig) and the veth goes with the namespace; containers that stay behind are
// ended by the next Start that gets the same number.
//
// # Faults
//
//	Stop      TERM: dockerd stops its containers, unless LiveRestore
//	Kill      KILL: containers go on; the next Run of dockerd stops them, unless LiveRestore
//	Pause     the API hangs, containers go on
//	Partition packets to the engine's side are dropped, nobody is told (TCP resets would be an answer)
//
// containerd stays up through all of these, as it does beside a dockerd that a service manager restarts.
//
// Decisions (2026-11-20):
//   - namespaces are unshared and entered by threads of this process instead of `ip netns`: that remounts /sys and hides
//     the cgroup v1 tree, and leaves names behind when a test dies.
//   - the firewall of the first engine drops forwarded packets; rules for our own interface go into DOCKER-USER, which
//     is the chain that Docker leaves to others.
package engine
