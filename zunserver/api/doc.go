// Package api is the HTTP face of the capsule server: OpenStack Zun's API v1 and capsulet's extensions of it.
//
//	request ─► id, panics ─► path cleaned ─► caller known ─► microversion ─► route ─► handler ─► view ─► answer
//	                                                                            └── error ─► one table ─► Zun's error body
//
// Each family of resources is a package with a table of routes and an interface of what it needs; here they are put together.
//
//	rest      a request under way: callers, microversions, parameters, pages, errors, streamed answers
//	capsules, hosts, streams   resources; a new family is a new package
//	networks, registries, quotas, images, services   what capsules and containers use, and the hosts have
//	admission the gate in front of the store that every record comes through: networks, logins, quotas
//	endpoints where ports are reached
//	sockets   terminals over WebSockets in Zun's protocol, for the resources that attach and execute
//	limit     how much may be under way
//	view      the newest model as a microversion shows it; handlers know the newest only
//	remote    protocols of Kubernetes on connections that leave HTTP
//
// # Extensions
//
// They are never behind a microversion, so that a Zun number never means two things, and a Zun client does not notice
// them. Discovery names them.
//
//	template  the canonical template, metadata.uid, DELETE ?grace_period=N
//	native    Accept: application/vnd.capsulet+json answers capsule.Capsule and capsule.Host as JSON
//	watch     GET /v1/capsules?watch=true&since=N: a line of JSON for each change, with the capsule in the form that is asked
//	          for; without since, what is there comes first, and a bookmark
//	labels    GET /v1/capsules?labels=app=web,tier!=db (or label=…): a selector of Kubernetes, for lists and watches
//	logs      GET /v1/capsules/{id}/logs?container=&previous=&follow=&timestamps=&tail=&since=&until=, and stdout= or stderr=
//	          for one of the two; an answer that breaks off is cut and not ended
//	streams   GET or POST /v1/capsules/{id}/exec?container=&command=…&stdin=&stdout=&stderr=&tty=, /attach with the same
//	          but command, /portforward?ports=…: the connection is upgraded to a protocol of Kubernetes (package remote);
//	          POST exec without an upgrade answers with the output, and the exit code in the trailer Capsulet-Exit-Code; the
//	          command of a caller who is gone is hung up
//	stats     GET /v1/capsules/stats, native only: a capsule.StatsReport, with the hosts for who may see hosts; GET
//	          /v1/capsules/{id}/stats?container=: a capsule.Stats
//	archive   GET, HEAD and PUT /v1/capsules/{id}/archive?container=&path=: a tar in the body, and what lies at the path in
//	          X-Docker-Container-Path-Stat, as in Docker's archive API
//	top       GET /v1/capsules/{id}/top?container=&ps_args=
//	endpoints GET /v1/capsules/{id}/endpoints?container=&from=, /v1/containers/{id}/endpoints?from=: where ports are reached
//	          (package endpoints)
//	networks  spec.nets of a template: [{network, ipv4, ipv6}]; GET /v1/networks and /v1/networks/{id}; subnets, internal and
//	          project_id of a new one
//	pod       the manifest of a Pod in place of a template; what takes a cluster is refused by the names of its fields
//	experimental  /experimental/… and the service type container-experimental are v1
//	update    PATCH /v1/capsules/{id} with {"template": the whole new one}; what may change says capsule.Spec.Adopt
//	upgrade   what may not is an upgrade: the new revision comes up beside the former one and is taken over when it is healthy
//	          (package upgrade), 202; ?timeout=seconds gives it longer or shorter than ten minutes; with ?upgrade=false
//	          it is refused by the names of the fields
//
// # What a caller sees
//
// A project sees its own capsules; another's are not found. An administrator finds every capsule by UUID or name and lists
// all with all_projects=true. Values and files that are marked sensitive are shown to nobody. What gives power over a
// host (privileged, hostPath, the host's namespaces …) is the administrator's to ask for.
//
// Decisions (2026-11-20): bugs of Zun are not copied: an unknown microversion is 406 and not 500, malformed JSON is named
// as such, 204 has no body, the request ID is in the error body, HEAD works where GET does, all_projects without the right
// is 403 for capsules as it is for containers. Only unclassified errors (500) are hidden behind a correlation ID; 501 and 503
// say what is missing, because that is what the caller can act on.
package api
