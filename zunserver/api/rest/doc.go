// Package rest is what all routes of the API have in common: from the request to a [Call] that a [Handler] answers, and from
// an error to the answer.
//
// There is one table from error class to status and code (errors.go), and one place where a microversion is read
// (version.go). A handler answers with JSON or a [Stream], or returns why it cannot: an error with a class of
// github.com/containerd/errdefs, or one made with [Refuse]. Only unclassified errors are hidden.
package rest
