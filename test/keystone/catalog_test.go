package keystone

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"

	"github.com/capsulet/capsulet/test/dev/stage"
)

// environment is the test's, with that of a user.
func (w *world) environment(user string) []string {
	password, project := Password(user), "project-of-"+user
	if user == "admin" {
		password, project = AdminPassword, "admin"
	}
	env := os.Environ()
	for name, value := range w.keystone.Environment(user, password, project) {
		env = append(env, name+"="+value)
	}
	return env
}

// register runs `capsulet keystone register` and returns what it prints, spaces as one, and its exit code.
func (w *world) register(user string, args ...string) (out string, code int) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.program, append([]string{"keystone", "register"}, args...)...)
	cmd.Env = w.environment(user)
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.Fatal(err)
	}
	return regexp.MustCompile(` +`).ReplaceAllString(string(said), " "), cmd.ProcessState.ExitCode()
}

// lists is what `openstack catalog list` knows of the API, as a stranger to our client sees it.
func (w *world) lists() string {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openstack", "endpoint", "list", "-f", "value", "-c", "Service Type", "-c", "Interface", "-c", "URL")
	cmd.Env = w.environment("admin")
	out, err := cmd.Output()
	if err != nil {
		w.Fatalf("openstack endpoint list: %v", err)
	}
	var ours []string
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "container") {
			ours = append(ours, line)
		}
	}
	return strings.Join(ours, "")
}

// catalog: `capsulet keystone register`, from an empty catalog on; in the end, the API is in it.
func (w *world) catalog() {
	t := w.T
	w.program = filepath.Join(t.TempDir(), "capsulet")
	root, err := stage.Root()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stage.Build(t.Context(), root, "./cmd/capsulet", w.program); err != nil {
		t.Fatal(err)
	}
	const elsewhere = "http://192.0.2.1:9517"
	for _, step := range []struct {
		name, user string
		args       []string
		code       int
		says       []string // each of them
		never      string
	}{
		{"a user", "anna", []string{elsewhere}, 1, []string{"only its administrators"}, "made"},
		{"a dry run", "admin", []string{elsewhere, "--dry-run"}, 0, []string{"container public " + elsewhere + "/v1 would be made"}, "unchanged"},
		{"nothing was done", "admin", []string{elsewhere, "--dry-run", "-o", "json"}, 0, []string{`"change": "made"`}, "unchanged"},
		{"the first time", "admin", []string{elsewhere + "/v1/", "--internal-url", "http://10.0.0.1:9517"}, 0, []string{
			"container made", "container public " + elsewhere + "/v1 made", "container internal http://10.0.0.1:9517/v1 made",
			"container-experimental admin " + elsewhere + "/experimental made"}, "unchanged"},
		{"the second time", "admin", []string{elsewhere, "--internal-url", "http://10.0.0.1:9517"}, 0, []string{"container admin " + elsewhere + "/v1 unchanged"}, "made"},
		{"moved, in a dry run", "admin", []string{w.url, "--dry-run"}, 0, []string{"container public " + w.url + "/v1 would be changed (was " + elsewhere + "/v1)"}, "made"},
		{"moved", "admin", []string{w.url}, 0, []string{"container internal " + w.url + "/v1 changed (was http://10.0.0.1:9517/v1)", "container unchanged"}, "made"},
		{"all is there", "admin", []string{w.url, "-o", "name"}, 0, []string{"container\n", "container-experimental/admin\n"}, "elsewhere"},
	} {
		out, code := w.register(step.user, step.args...)
		if code != step.code || strings.Contains(out, step.never) {
			t.Errorf("%s: exit code %d, %s", step.name, code, out)
		}
		for _, want := range step.says {
			if !strings.Contains(out, want) {
				t.Errorf("%s: it says %q, want %q", step.name, out, want)
			}
		}
	}
	w.switchOff()
	if out, code := w.register("admin", w.url); code != 0 || strings.Count(out, " changed") != 2 {
		t.Errorf("switched off: %d %s", code, out)
	}
	if got := w.lists(); strings.Count(got, "\n") != 6 || strings.Count(got, w.url+"/v1") != 3 || strings.Count(got, w.url+"/experimental") != 3 {
		t.Errorf("the catalog has\n%s", got)
	}
}

// switchOff takes the service container, and its public endpoint, out of the catalog without deleting them.
func (w *world) switchOff() {
	w.Helper()
	admin := w.login("admin", "admin")
	page, err := services.List(admin, services.ListOpts{ServiceType: "container"}).AllPages(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	known, err := services.ExtractServices(page)
	if err != nil || len(known) != 1 {
		w.Fatalf("%v, %v", known, err)
	}
	if page, err = endpoints.List(admin, endpoints.ListOpts{ServiceID: known[0].ID, Availability: gophercloud.AvailabilityPublic}).AllPages(w.Context()); err != nil {
		w.Fatal(err)
	}
	public, err := endpoints.ExtractEndpoints(page)
	if err != nil || len(public) != 1 {
		w.Fatalf("%v, %v", public, err)
	}
	off := false
	if err := errors.Join(
		services.Update(w.Context(), admin, known[0].ID, services.UpdateOpts{Enabled: &off}).Err,
		endpoints.Update(w.Context(), admin, public[0].ID, endpoints.UpdateOpts{Enabled: &off}).Err,
	); err != nil {
		w.Fatal(err)
	}
}
