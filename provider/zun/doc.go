// Package zun is the client of the capsule API, on gophercloud's service client: the same REST that gophercloud, zunclient
// and curl speak, with capsulet's extensions (native media type, watch, logs) on top.
//
// Errors carry exactly one class of github.com/containerd/errdefs, made in one table from the HTTP status (errors.go);
// a server that cannot be reached at all is Unavailable. Requests have a deadline of their own; streams live as long as
// their context, and a watch is given up when the server falls silent.
//
// Decisions (2026-11-20): the template is sent as an object, not as the string that gophercloud's own capsules package
// sends, so that the server's error names the field and not a position in a string.
package zun
