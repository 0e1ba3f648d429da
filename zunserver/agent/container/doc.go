// Package container turns the spec of a capsule's sandbox or container into what a host is asked to make. It is pure: what
// is known only on the host comes in as a [Place].
//
// Requests, limits, OOM scores and the merging of security contexts follow the kubelet; the sources are named beside the
// code.
package container
