// Package volume prepares the volumes of a capsule on its host and says how containers mount them.
//
// [Near] serves hosts that share this process' file system: a volume is a directory that is bind-mounted.
//
//	<state>/volumes/<capsule>/<volume>     emptyDir on disk, files that are not sensitive
//	<run>/volumes/<capsule>/<volume>       emptyDir in memory (a tmpfs of its own), sensitive files, on a tmpfs of
//	                                       their own where <run> is not on one: no secret ever reaches a disk
//
// Files are laid out as the kubelet does it, so that a later update is one rename: name -> ..data/name, ..data ->
// ..<version>/.
//
// Decisions (2026-11-20): hosts that are not near have no volumes yet; [Far] says so for each capsule that asks for one.
package volume
