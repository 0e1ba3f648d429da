// Package executor carries out single actions of a plan on one host. It decides nothing: what an action sees goes to the
// observer, what it found out on its way is reported as news, and what fails is in its result.
//
// # /etc/hosts
//
// It is filled in, in place, before the first container of a sandbox starts: only then is the address known. On a near host it
// is a file of the capsule that is mounted when a container is created, and creation does not wait for the sandbox.
//
// # Far hosts
//
// The volume driver works in the sandbox there, so a container that has files of the driver's (a subPath, a termination
// message) is created when the sandbox runs and not beside it. The volumes of one capsule are one action's at a time.
package executor
