// Package inside is the program that runs inside a sandbox on a far host, on demand: what capsulet does by itself where it
// shares a machine with the engine. It is in the sandbox's image beside the resident program, and is run as a command.
//
//	inside fill              volumes, /etc/hosts, files for termination messages: a Request on stdin
//	inside subpath VOLUME P  where P leads to in a volume, without links
//	inside usage VOLUME…     bytes of the disk that volumes take
//	inside read FILE…        files of /proc that tell of the whole machine
//	inside signal N PID ID   the process group of a command in a container, from among the processes of the host
//	inside dial              connections into the network of the capsule, many over stdin and stdout
//
// # Where it comes from
//
// It is capsulet itself under another name (package entry), so there is nothing to build, to ship or to keep in step. That
// works because importing this package imports little: entry takes over before the rest of capsulet has begun.
//
// # What it may be told
//
// Everything comes from capsulet over the engine's connection, secrets on stdin and never as an argument. Paths are of the
// sandbox; volumes lie below [Volumes].
//
// # Connections
//
// dial speaks yamux; each stream begins with a line of addresses that are tried in their order, answered by a line that is
// empty or says what failed. The process ends when its input does, or when nobody answers its keep-alives.
//
// Decisions (2026-11-25): one process that carries many connections rather than one for each probe, because a command in a
// container costs the engine 50 ms of CPU and a connection through a running one less than one.
package inside
