package main

import (
	"slices"
	"strings"
)

// slow are the specs, by a part of their names, that the fast part leaves out: they wait by their nature, as the measured
// time says.
var slow = []string{
	"Probing container should *not* be restarted with",                     // four, 243 s each
	"Probing container should have monotonically increasing restart count", // 229 s
	"Probing container should be restarted with a GRPC liveness probe",     // 65 s
	"with readiness probe that fails should never be ready",                // 60 s
	"issue 500 podspec updates and verify generation",                      // 270 s
	"a failing subpath expansion can be modified during the lifecycle",     // 159 s
	// 24 s each; those with a secret and on an existing file stay.
	"should support subpaths with configmap pod [",
	"should support subpaths with downward pod",
	"should support subpaths with projected pod",
}

// withoutSlow returns the names that are not slow, and the entries of slow that no name has.
func withoutSlow(names []string) (fast, unused []string) {
	unused = slices.Clone(slow)
	for _, name := range names {
		part := func(entry string) bool { return strings.Contains(name, entry) }
		if slices.ContainsFunc(slow, part) {
			unused = slices.DeleteFunc(unused, part)
			continue
		}
		fast = append(fast, name)
	}
	return fast, unused
}
