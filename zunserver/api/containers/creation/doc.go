// Package creation turns the body of POST /v1/containers into a container of a record. It is pure: policies, microversions,
// registries and quotas are the caller's.
//
//	Body ──► Parse ──► Container ──► Own:  a record of its own (capsule.KindContainer)
//	                             └─► Into: one more container of a sandbox that is there
//
// # What becomes of Zun's properties (zun/api/controllers/v1/schemas/containers.py)
//
//	image, command, entrypoint, workdir, labels, environment, interactive, tty, restart_policy, auto_remove   as in Docker
//	cpu                 a share of the CPU, as Zun's cpu_shares: it may use more when nobody else does
//	memory              MiB, a hard limit
//	disk                refused: no engine here limits it
//	cpu_policy          shared; dedicated is refused: no CPUs are pinned
//	image_driver        docker, which is the only one
//	hints, auto_heal    accepted; hints "label:KEY" choose hosts by their labels in Zun when it is so configured, and mean
//	                    nothing here. What vanished is made again in any case
//	security_groups     "default"; there are no others without Neutron, and so they are not found
//	exposed_ports       the ports that are shown. {"80/tcp": {"hostPort": 8080}}, which is ours, publishes one on the host
//	mounts              type bind, a file with the content given; volumes need Cinder and are refused
//	healthcheck         an exec probe: status_detail says healthy or unhealthy, nothing is restarted
//	sandbox, capsule    ours: the UUID or the name of what it is to live in
//
// Decisions (2026-11-26): a file that is mounted is taken for a secret, as Zun shows it to nobody. Environment is literal:
// $(NAME) is Kubernetes' and means nothing to Zun's users. Standard input stays open when an attachment leaves.
package creation
