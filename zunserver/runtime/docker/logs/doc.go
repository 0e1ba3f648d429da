// Package logs reads the logs that an engine keeps: out of its files where they are at hand, else out of what it sends.
//
//	files.go   the files of the log driver "local", one after another as they were rotated
//	scanner.go  the entries of one of them
//	frames.go  what the engine's API sends
//	follow.go  one log of several readings through the API
//	output.go  entries as text, in large writes
//
// # Why the files
//
// The engine (seen with 20.10) loses the rest of a file when it follows a log that is rotated while its reader is behind:
// of 36 MB written at 5 MB/s a follower got 31. Who reads it again and again, in parts that overlap, gets all of it (10 of 10
// times, 46 MB written at once), but has the engine read everything twice. Whoever has the file open loses nothing of it, is not held up by the
// engine, and costs it nothing. The driver "local" and not "json-file", which replaces bytes that are no UTF-8.
//
// The engine does not promise where the files are. The form of an entry is that of its log plugins
// (github.com/docker/docker/api/types/plugins/logdriver), between two copies of its length. [ErrElsewhere] says that they are
// not to be had, and the API is asked then.
package logs
