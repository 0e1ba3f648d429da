// Package executor carries out single actions of a plan on one host. It decides nothing: what an action sees goes to the
// observer, what it found out on its way is reported as news, and what fails is in its result.
//
// # /etc/hosts
//
// On a near host it is a file of the capsule that is mounted when a container is created and filled in, in place, before the
// first container of a sandbox starts: only then is the address known, and creation does not wait for it.
package executor
