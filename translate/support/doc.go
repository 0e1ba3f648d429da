// Package support says what of a Pod this node honours. Never silently: one table has a verdict for every field of every
// Kubernetes type that can be reached from a PodSpec: mapped, partly mapped, ignored (with the reason) or refused (with
// the reason). [Refuse] walks the Pod by that table, a test walks the Kubernetes types by it, so that a field that
// Kubernetes adds fails the build first, and docs/pod-support.md is written from it.
package support
