// Package stats reads what containers and their host use. Where the kernel is this process' own ([Near]) it reads its files,
// and no engine is asked; elsewhere ([Far]) the engine is, for all who want to know at once.
//
//	pid ─► /proc/<pid>/cgroup ─► the container's group in each hierarchy ─► CPU and memory files (v1 or v2)
//	pid ─► /proc/<pid>/net/dev
//	host ─► /proc/stat, /proc/meminfo
//
// Decisions (2026-11-20):
//   - v1 or v2 is decided for each controller by what the process' own list says, so that hybrid trees work.
//   - The group has to be called after the container: a pid may be somebody else's by now, and what a container's init makes
//     below its group belongs to it.
//   - A far host's readings are those of the last round, up to two minutes old: one over hundreds of containers of an engine
//     before 28 takes longer than a scrape may, and a reading with its time is worth more than none.
//   - The figures of a sandbox on a near host stand for ten seconds (2026-11-27): its process sleeps, and it is every second container.
//   - The host's own figures come from /proc, because the root group has no memory file in v2.
package stats
