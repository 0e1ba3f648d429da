package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/capsulet/capsulet/test/controlplane"
)

// family chooses, out of the conformance specs, those of pods and of what they mount.
const family = `^\[sig-node\] (Pods|Containers|ConfigMap|Secrets|Downward API|Probing container|Container Lifecycle Hook|` +
	`Variable Expansion|InitContainer|Container Runtime|Kubelet|KubeletManagedEtcHosts|Ephemeral Containers|PreStop|` +
	`Security Context|Sysctls|Lease)\b|` +
	`^\[sig-storage\] (ConfigMap|Secrets|Projected|Downward API volume|EmptyDir|Subpath)\b`

// familySize is how many specs of controlplane.Version these are.
const familySize = 164

// labels leaves out what wants a cluster of its own.
const labels = "Conformance && !Serial"

// ginkgo is the suite and where it writes.
type ginkgo struct {
	programs controlplane.Programs
	dir      string
	procs    int
	// limit ends the run; ginkgo's own clean-up comes on top.
	limit time.Duration
}

// reach is where a choice can be made: there are images for these groups only.
var reach = regexp.MustCompile(`^\[sig-(node|storage)\] `)

// list returns the names of the conformance specs within reach that the expression matches.
func (g ginkgo) list(ctx context.Context, expr string) ([]string, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("the choice of specs: %w", err)
	}
	report := filepath.Join(g.dir, "list.json")
	cmd := exec.CommandContext(ctx, g.programs.Path("e2e.test"), "--ginkgo.dry-run", "--ginkgo.silence-skips",
		"--ginkgo.label-filter="+labels, "--ginkgo.json-report="+report, "--provider=skeleton", "--kubeconfig="+os.DevNull)
	cmd.Dir = g.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("list the suite's specs: %w\n%s", err, lastLines(out, 20))
	}
	specs, err := readReport(report)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(report); err != nil { // 12 MB
		return nil, err
	}
	var names []string
	seen := map[string]bool{}
	for _, s := range specs {
		if !reach.MatchString(s.Name) || !re.MatchString(s.Name) {
			continue
		}
		if seen[s.Name] {
			return nil, fmt.Errorf("two specs are called %q", s.Name)
		}
		seen[s.Name] = true
		names = append(names, s.Name)
	}
	return names, nil
}

// run runs the specs of these names and returns what became of them. Specs that failed are no error.
func (g ginkgo) run(ctx context.Context, c *controlplane.ControlPlane, names []string, note func(string)) ([]spec, error) {
	var focus strings.Builder
	for i, name := range names {
		if i > 0 {
			focus.WriteByte('|')
		}
		focus.WriteString(regexp.QuoteMeta(name) + "$")
	}
	const report = "report.json"
	log, err := os.Create(filepath.Join(g.dir, "suite.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, g.programs.Path("ginkgo"), "run", "--procs="+strconv.Itoa(g.procs), "--timeout="+g.limit.String(),
		"--label-filter="+labels, "--focus="+focus.String(), "--silence-skips", "--no-color", "--keep-going", "--grace-period=30s",
		"--json-report="+report, "--output-dir="+g.dir, g.programs.Path("e2e.test"), "--",
		"--provider=skeleton", "--kubeconfig="+c.Kubeconfig, "--kubectl-path="+c.Kubectl, "--report-dir="+g.dir)
	cmd.Dir = g.dir
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig)
	progress := &counter{to: log, total: len(names), note: note}
	cmd.Stdout, cmd.Stderr = progress, progress
	// A group of its own: ginkgo's children go with it, and an interrupt at the terminal is passed on once, by us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	began := time.Now()
	runErr := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what did not end when it was told
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	var exit *exec.ExitError
	if runErr != nil && !errors.As(runErr, &exit) {
		return nil, fmt.Errorf("run ginkgo: %w", runErr)
	}
	specs, err := readReport(filepath.Join(g.dir, report))
	if err != nil {
		return nil, fmt.Errorf("%w (after %s; the end of %s:\n%s)", errors.Join(runErr, err), time.Since(began).Round(time.Second), log.Name(), tailOf(log.Name()))
	}
	if len(specs) != len(names) {
		return specs, fmt.Errorf("%d specs were to run and %d did; the end of %s:\n%s", len(names), len(specs), log.Name(), tailOf(log.Name()))
	}
	return specs, nil
}

// counter passes the suite's output on and tells how far it is.
type counter struct {
	to            *os.File
	total         int
	note          func(string)
	mu            sync.Mutex
	done, failed  int
	seenSummaries bool
}

func (c *counter) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if bytes.Contains(b, []byte("Summarizing")) {
		c.seenSummaries = true // it repeats the failures
	}
	if !c.seenSummaries {
		c.done += bytes.Count(b, []byte("•"))
		c.failed += bytes.Count(b, []byte("• [FAILED]")) + bytes.Count(b, []byte("• [PANICKED]")) + bytes.Count(b, []byte("• [TIMEDOUT]"))
		c.note(fmt.Sprintf("%d of %d, %d failed", min(c.done, c.total), c.total, c.failed))
	}
	return c.to.Write(b)
}

// spec is what became of one.
type spec struct {
	Name, Family string
	State        string // passed, failed, skipped, panicked, timedout, interrupted
	Took         time.Duration
	Failure      string // its first line
	Where        string
}

func (s spec) passed() bool { return s.State == "passed" }

// readReport reads ginkgo's JSON report: the specs that were to run.
func readReport(path string) ([]spec, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the suite's report: %w", err)
	}
	var suites []struct {
		SpecReports []struct {
			ContainerHierarchyTexts    []string
			LeafNodeText, LeafNodeType string
			State                      string
			RunTime                    time.Duration
			NumAttempts                int
			Failure                    struct {
				Message  string
				Location struct {
					FileName   string
					LineNumber int
				}
			}
		}
	}
	if err := json.Unmarshal(b, &suites); err != nil {
		return nil, fmt.Errorf("read the suite's report %s: %w", path, err)
	}
	var specs []spec
	for _, suite := range suites {
		for _, r := range suite.SpecReports {
			// What no filter let through was never attempted; a spec that skipped itself was.
			if r.LeafNodeType != "It" || r.State == "skipped" && r.NumAttempts == 0 || len(r.ContainerHierarchyTexts) == 0 {
				continue
			}
			s := spec{
				Name:   strings.Join(append(r.ContainerHierarchyTexts, r.LeafNodeText), " "),
				Family: familyOf(r.ContainerHierarchyTexts[0]), State: r.State, Took: r.RunTime,
			}
			if !s.passed() {
				s.Failure = why(r.Failure.Message)
				s.Where = fmt.Sprintf("%s:%d", shortPath(r.Failure.Location.FileName), r.Failure.Location.LineNumber)
			}
			specs = append(specs, s)
		}
	}
	return specs, nil
}

var tags = regexp.MustCompile(` \[[A-Za-z:]+\]`)

// familyOf is "[sig-node] Pods" of what the suite calls a group.
func familyOf(container string) string { return tags.ReplaceAllString(container, "") }

// why is the first line of a failure and, when it shows a pod's status, the messages in there.
func why(failure string) string {
	first := "(no message)"
	var messages []string
	for line := range strings.Lines(failure) {
		line = strings.TrimSpace(line)
		if first == "(no message)" && line != "" {
			first = line
		}
		m, found := strings.CutPrefix(line, "message: ")
		if m = strings.Trim(m, `'"`); found && !slices.Contains(messages, m) {
			messages = append(messages, m)
		}
	}
	text := strings.Join(append([]string{first}, messages...), "; ")
	if len(text) > maxWhy {
		text = strings.ToValidUTF8(text[:maxWhy], "") + "…"
	}
	return text
}

const maxWhy = 400

func shortPath(path string) string {
	if i := strings.Index(path, "/test/e2e/"); i >= 0 {
		return path[i+1:]
	}
	return path
}

func tailOf(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return lastLines(b, 30)
}

func lastLines(b []byte, n int) string {
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
