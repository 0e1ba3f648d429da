package runtime

// MemoryV1 and MemoryV2 are the names in memory.stat of what the kernel can take back at once, of processes alone, of files,
// of mapped files, of faults and major faults, and of swap, which v2 has elsewhere.
var (
	MemoryV1 = [...]string{"total_inactive_file", "total_rss", "total_cache", "total_mapped_file", "total_pgfault", "total_pgmajfault", "total_swap"}
	MemoryV2 = [...]string{"inactive_file", "anon", "file", "file_mapped", "pgfault", "pgmajfault", ""}
)
