// Package volume prepares the volumes of a capsule on its host and says how containers mount them.
//
// There are two drivers, and volumetest is the suite that both pass, on a host in memory and on an engine. [Near] serves
// hosts that share this process' file system: a volume is a directory that is bind-mounted.
//
//	<state>/volumes/<capsule>/<volume>     emptyDir on disk, files that are not sensitive
//	<run>/volumes/<capsule>/<volume>       emptyDir in memory (a tmpfs of its own), sensitive files, on a tmpfs of
//	                                       their own where <run> is not on one: no secret ever reaches a disk
//	<state>/volumes/<capsule>/<volume>     an NFS export, mounted by the machine's own mount program
//	<state>/volumes/<capsule>/..subpath/<container>/<n>   bind mount of the part of a volume that a mount asks for, and of
//	                                       a whole one that is to be read-only with all that is mounted below it
//
// What is the host's own stays where it is: a host path is mounted as it is found, a local volume is given to the fsGroup
// first, and neither is touched when the capsule goes.
//
// [Far] serves the others: a volume is one of the engine's, and the sandbox has all of them, to be written to, below
// inside.Volumes. What has to be done in them is done by the program inside of the sandbox (package inside), by one command
// for everything before the first container starts.
//
//	capsulet_<capsule>_<volume>     emptyDir on disk; a tmpfs, which the sandbox keeps, for emptyDir in memory and all files
//	capsulet_<capsule>              files for termination messages, read through the archive of their container
//	/etc/hosts                      the sandbox's own, which the engine shows to every container of the capsule
//
// Files are laid out as the kubelet does it, so that an update is one rename: name -> ..data/name, ..data -> ..v<n>/. The
// old version goes after it. Modes and groups are the kubelet's too: with an fsGroup, files get 0440 and directories
// 02550 besides what they have.
//
// A subPath is opened by openat2 beneath the volume and, on a near host, mounted from what was opened, so that no ".." and
// no link leads out of it. An engine mounts by path: on a far host the path has no links when it is found, and a subPath of a
// volume that another container of the capsule could change in between is refused. A mount of one file stays on the version
// that it was made of, as with the kubelet.
//
// What cannot be on a far host is refused with the name of the volume: hostPath.type FileOrCreate (an engine makes
// directories only), subPaths of hostPaths, nfs and local volumes, Bidirectional propagation of the engine's volumes.
//
// Decisions:
//   - (2026-11-25) a tmpfs of the engine goes when the last container that has it ends, so what is in memory does not
//     outlive a sandbox on a far host; files are written anew, an emptyDir in memory is empty again.
//   - (2026-11-25) files go through the program inside and not through the engine's archive call, which would replace the
//     link of the current version in two steps.
//   - (2026-11-25) the engine's own subPaths (API 1.45) are not used: most engines have none, and one way is enough.
package volume
