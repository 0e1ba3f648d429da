package stage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/capsulet/capsulet/zunserver/runtime/docker"
)

// InstanceLabel is on everything that a capsulet instance has on an engine.
const InstanceLabel = "io.capsulet.instance"

// Engine is where the engine listens that DOCKER_HOST names, or this machine's.
func Engine() string { return cmp.Or(os.Getenv("DOCKER_HOST"), docker.DefaultEndpoint) }

// Docker runs the docker command against the engine that DOCKER_HOST names and returns what it printed.
func Docker(ctx context.Context, args ...string) (string, error) {
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// what an instance may have on an engine: how it is listed and how it is removed.
var kinds = []struct {
	name         string
	list, remove []string
}{
	{"container", []string{"ps", "-aq", "--no-trunc"}, []string{"rm", "-f", "-v"}},
	{"volume", []string{"volume", "ls", "-q"}, []string{"volume", "rm", "-f"}},
	{"network", []string{"network", "ls", "-q"}, []string{"network", "rm"}},
	{"image", []string{"image", "ls", "-aq", "--no-trunc"}, []string{"image", "rm", "-f"}},
}

// RemoveInstance removes everything that carries the instance's label, whoever made it.
func RemoveInstance(ctx context.Context, instance string) error {
	var errs []error
	for _, k := range kinds {
		list := append(append([]string{}, k.list...), "--filter", "label="+InstanceLabel+"="+instance)
		errs = append(errs, removeEach(ctx, list, k.remove...))
	}
	return errors.Join(errs...)
}

// Leftovers lists what carries the instance's label, as "container <id>"; containers with name and state.
func Leftovers(ctx context.Context, instance string) ([]string, error) {
	var found []string
	for _, k := range kinds {
		args := append(append([]string{}, k.list...), "--filter", "label="+InstanceLabel+"="+instance)
		if k.name == "container" {
			args = []string{"ps", "-a", "--format", "{{.Names}} ({{.Status}})", "--filter", "label=" + InstanceLabel + "=" + instance}
		}
		out, err := Docker(ctx, args...)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(out) {
			found = append(found, k.name+" "+strings.TrimSpace(line))
		}
	}
	return found, nil
}

// RemoveUnused removes every image of a repository that no container uses. Instances share the sandbox image; the next
// one that needs it imports it again.
func RemoveUnused(ctx context.Context, repository string) error {
	refs, err := Docker(ctx, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository)
	if err != nil {
		return err
	}
	var errs []error
	for _, ref := range strings.Fields(refs) {
		users, err := Docker(ctx, "ps", "-aq", "--filter", "ancestor="+ref)
		if err == nil && users == "" {
			_, err = Docker(ctx, "image", "rm", ref)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// removeEach removes one by one what list prints, so that one refusal does not keep the others.
func removeEach(ctx context.Context, list []string, remove ...string) error {
	out, err := Docker(ctx, list...)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	var errs []error
	for _, id := range strings.Fields(out) {
		if seen[id] {
			continue
		}
		seen[id] = true
		if _, err := Docker(ctx, append(append([]string{}, remove...), id)...); err != nil && !strings.Contains(err.Error(), "No such") {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
