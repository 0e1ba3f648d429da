package main

import "strings"

// known says why a spec may fail: a part of its name, and the reason, which goes into docs/conformance.md. An entry whose
// specs pass, or that no spec has, is an error of its own.
var known = map[string]string{}

// reasonFor returns why a spec may fail and the entry that says so.
func reasonFor(name string) (entry, reason string) {
	for entry, reason := range known {
		if strings.Contains(name, entry) {
			return entry, reason
		}
	}
	return "", ""
}
