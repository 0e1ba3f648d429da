// Package docker is a container host behind the Docker Engine API, from 20.10 up to what the client library speaks. No type of
// Docker leaves it.
//
// # Where things are
//
//	docker.go      connection, ping, Info           convert/      configuration → Docker → what is seen (pure)
//	containers.go  the calls on containers          seen/         how containers looked when they were inspected
//	images.go, import.go  images                    imports/      the archive that an imported image is
//	streams.go, logs/  logs and copies              exec.go, hangup.go, attach.go  commands, the main process
//	events.go      the event stream                 classes/      Docker's errors → classes, once
//	sandbox.go, sandbox/  the built-in images of sandboxes    oomscore.go, oomscore/  what the kernel lets the engine do
//	volumes.go     volumes and statistics, for hosts whose machine is out of reach
//
// # What is decided for every container
//
// Restart policy "no" (an attempt is a container); the image's HEALTHCHECK off (probes are ours); log driver local,
// whatever the daemon's default, because logs have to be readable, bounded and kept byte for byte; no init process added. A
// capsule's containers join network and IPC of the sandbox by its name, so that they can be created while it starts.
//
// # Deadlines
//
// The ping has two seconds. Everything else has the caller's context and nothing more: a stop takes as long as its grace,
// and only the caller knows how long a pull may take.
//
// # The list cache
//
// List asks the engine for one cheap list and inspects only what changed: a container of ours never runs twice, so a
// running one and an exited one look the same each time. A created one is looked at again, because a refused start
// leaves it created, and any event of a container drops its entry.
//
// Decisions (2026-11-20): images are imported with the load call rather than the import call, because a configuration
// passed as Dockerfile instructions is expanded and loses bytes, and because the same content then has the same ID.
// The API version is negotiated by the ping and not by the library, which would silently fall back to its own newest
// version while an engine is starting and get a confusing 400.
package docker
