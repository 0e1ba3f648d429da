// Package runtimetest is the suite that every implementation of runtime.Host passes, and the image it needs.
//
// [Run] takes a host with the test image on it, and tests what runtime.go promises, through the border only: the same
// lines run against a real engine and against the host in memory. What only a real engine can show (a shared network, for
// instance) runs when [Subject.Engine] says so.
//
// [BuildImage] makes the image out of testprog, a Go program of this repository; other tests that need containers on an
// engine use it too.
//
// Decisions (2026-11-20): every test makes its own capsule UUID and removes what it made, so that tests may run at once on
// an engine that others use.
package runtimetest
