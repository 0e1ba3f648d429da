// Package deps keeps the import rules of the design: which room may know which. It has tests only.
//
// Rules about what a room may reach hold over everything that it imports, directly or not; rules about who may touch a
// library hold for direct imports, because that is where its types get in. Tests of a room are free: they may need a
// neighbour to prove something.
//
// Decisions (2026-11-20): a test over `go list` besides depguard, because depguard sees one file at a time and the
// design speaks of what a room depends on in the end.
package deps
