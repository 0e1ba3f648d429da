package main

import (
	"strings"
	"testing"
)

// TestResourceCommands: what administrators type, and what others may.
func TestResourceCommands(t *testing.T) {
	w := newWorld(t)
	w.ok(template("web", "app"), "capsule create --wait -f -")
	t.Run("registries", func(t *testing.T) {
		w.T = t
		const secret = "hunter2"
		if out := w.ok(secret+"\n", "registry create --name hub --domain registry.example -u me --password-stdin"); usual(out) != "registry hub created, UUID UUID\n" {
			t.Errorf("%s", out)
		}
		w.prints("\nNAME DOMAIN USERNAME UUID\nhub registry.example me UUID\n", "registry list")
		if out := w.ok("", "registry show hub -o json"); strings.Contains(out, secret) || !strings.Contains(out, `"password": "***"`) {
			t.Errorf("%s", out)
		}
		w.prints("\nregistry hub updated\n", "registry update hub --username you")
		if out := w.ok("", "registry show hub"); !strings.Contains(usual(out), "Username: you\n") {
			t.Errorf("%s", out)
		}
		w.fails(1, "", "registry create --domain d --password-stdin", "empty")
		w.prints("\nregistry hub deleted\n", "registry delete hub")
		w.fails(0, "", "registry list", "No registries.")
	})
	t.Run("quotas", func(t *testing.T) {
		w.T = t
		w.fails(1, "", "quota update p --cpu 3", "Policy")
		if got := usual(w.ok("", "quota show p")); !strings.Contains(got, "RESOURCE LIMIT IN USE\n") || !strings.Contains(got, "\nmemory none 64 MiB\n") {
			t.Errorf("%s", got)
		}
	})
	t.Setenv("CAPSULET_TOKEN", adminToken)
	t.Run("quotas of others", func(t *testing.T) {
		w.T = t
		if got := usual(w.ok("", "quota update p --cpu 3 --memory -1")); !strings.Contains(got, "\ncpu 3 -\n") || !strings.Contains(got, "\nmemory none -\n") {
			t.Errorf("%s", got)
		}
		w.prints("\nquota of p deleted\n", "quota delete p")
		if got := usual(w.ok("", "quota defaults p")); !strings.Contains(got, "\ncpu none -\n") {
			t.Errorf("%s", got)
		}
		w.ok("", "quota-class update default --containers 7")
		if got := w.ok("", "quota-class show default -o json"); !strings.Contains(got, `"containers": 7`) {
			t.Errorf("%s", got)
		}
	})
	t.Run("hosts, services and zones", func(t *testing.T) {
		w.T = t
		if got := usual(w.ok("", "host list")); !strings.Contains(got, "\nh1 Up 192.0.2.1 ") {
			t.Errorf("%s", got)
		}
		if got := usual(w.ok("", "host show h1")); !strings.Contains(got, "Name: h1\n") || !strings.Contains(got, "Containers: 1\n") {
			t.Errorf("%s", got)
		}
		w.prints("\nservice of h1 disabled\n", "service disable h1 --reason 'a disk'")
		if got := usual(w.ok("", "service list")); !strings.Contains(got, "\nh1 zun-compute up disabled ") || !strings.HasSuffix(got, " a disk\n") {
			t.Errorf("%s", got)
		}
		w.prints("\nservice of h1 enabled\n", "service enable h1")
		w.fails(1, "", "service enable nope", "nope")
		w.ok("", "zone list")
	})
	t.Run("images and networks", func(t *testing.T) {
		w.T = t
		if got := usual(w.ok("", "image pull app:latest --host h1")); got != "image app:latest is being pulled onto h1, UUID UUID\n" {
			t.Errorf("%s", got)
		}
		if got := usual(w.ok("", "image list")); !strings.HasPrefix(got, "IMAGE TAG SIZE HOST STATUS UUID\n") || !strings.Contains(got, "app latest ") || !strings.Contains(got, " h1 ") {
			t.Errorf("%s", got)
		}
		w.fails(1, "", "image pull app --host nope", "nope")
		if got := usual(w.ok("", "image show app")); !strings.Contains(got, "app:latest\n") {
			t.Errorf("%s", got)
		}
		w.fails(1, "", "image show app:2", "no host has an image app:2")
		w.prints("\nnetwork blue created, UUID UUID\n", "network create blue --subnet 10.9.0.0/24")
		if got := usual(w.ok("", "network show blue")); !strings.Contains(got, "Subnets: 10.9.0.0/24\n") {
			t.Errorf("%s", got)
		}
		if got := usual(w.ok("", "network list")); !strings.Contains(got, "\nblue 10.9.0.0/24 true false UUID\n") {
			t.Errorf("%s", got)
		}
		w.prints("\nnetwork blue deleted\n", "network delete blue")
	})
}
