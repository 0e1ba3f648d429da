// Package view shapes capsules and hosts as JSON: Zun's representations for a microversion, and the native one without
// what is sensitive. It knows nothing of HTTP and changes none of its arguments.
//
// The keys are those of zun/api/controllers/v1/views (capsules_view.py, containers_view.py, hosts_view.py); the testdata are
// trimmed recordings of a real Zun that the key sets are compared with, but for phase, message and started_at of capsules and
// started_at, finished_at, exit_code and restart_count of their containers, which Zun's specification promised and Zun has not.
//
// Decisions (2026-11-20): unset strings are null as in Zun. Networks, ports and subnets have no UUIDs in Docker, so theirs
// are derived from the names and stay the same. updated_at is the latest time in the record, as no write has a time of
// its own.
package view

import "github.com/capsulet/capsulet/zunserver/capsule"

// Mask stands for a value that is shown to nobody.
const Mask = capsule.Masked
