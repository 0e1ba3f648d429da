// Package stage puts the real thing on a machine, for `make up` and for the end-to-end tests: it builds capsulet and
// images out of this repository, writes a configuration, starts `capsulet run`, and finds and removes what an instance
// left on an engine.
//
// It uses the docker command, not the client library: the library stays inside zunserver/runtime/docker, and a command
// line in a log is what a reader can repeat.
//
// Decisions (2026-11-20):
//   - images carry the hash of their program in a label, so that a second import of the same program does nothing;
//     importing again would give the same tag a new ID and leave an image without a name behind.
//   - our label on images is not io.capsulet.instance: containers inherit the labels of their image, and a container
//     that somebody runs by hand from our image must not look like a capsule's.
package stage
