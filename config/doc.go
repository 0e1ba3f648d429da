// Package config is everything that can be set, in one typed [Config].
//
//	default  <  file (YAML, strict)  <  environment (CAPSULET_…)  <  flag
//
// A key is named by its path in the file. Its environment variable is that path in capitals: node.maxPods is
// CAPSULET_NODE_MAX_PODS. Lists are separated by commas, maps are name=value pairs separated by commas; hosts is a list of
// endpoints there, and a flag of its own (--docker-endpoint) that may be repeated. Only the keys that people change often
// have a flag ([flagTable]).
//
// [Flags.Load] puts the four together, fills in what follows from other keys (the files in the state directory), and
// validates: every key that is wrong is named with the reason, all at once. It reads no file but its own.
//
// Decisions (2026-11-20):
//   - Secrets are never values here, only names of files that hold them: flags and environments are seen by others.
//   - An unknown environment variable is no error, because Kubernetes makes some of its own (CAPSULET_SERVICE_HOST for a
//     Service called capsulet). No key has a name that these could hit; a test keeps it so.
package config
