// Package volume prepares the volumes of a capsule on its host and says how containers mount them.
//
// [Near] serves hosts that share this process' file system: a volume is a directory that is bind-mounted.
//
//	<state>/volumes/<capsule>/<volume>     emptyDir on disk, files that are not sensitive
//	<run>/volumes/<capsule>/<volume>       emptyDir in memory (a tmpfs of its own), sensitive files, on a tmpfs of
//	                                       their own where <run> is not on one: no secret ever reaches a disk
//	<state>/volumes/<capsule>/..subpath/<container>/<n>   bind mount of the part of a volume that a mount asks for
//
// Files are laid out as the kubelet does it, so that an update is one rename: name -> ..data/name, ..data -> ..v<n>/. The
// old version goes after it. Modes and groups are the kubelet's too: with an fsGroup, files get 0440 and directories
// 02550 besides what they have.
//
// A subPath is opened by openat2 beneath the volume and mounted from what was opened, so that no ".." and no link leads
// out of it. A mount of one file stays on the version that it was made of, as with the kubelet.
//
// Decisions (2026-11-20): hosts that are not near have no volumes yet; [Far] says so for each capsule that asks for one.
package volume
