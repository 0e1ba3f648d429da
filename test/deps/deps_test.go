package deps_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/capsulet/capsulet"

type pkg struct {
	ImportPath, Dir, Name string
	Imports, Deps         []string
	GoFiles               []string
	Standard              bool
}

// room is the path inside the module, "." for its root.
func (p pkg) room() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// within says whether a path is tree or beneath it; a tree that ends in "/..." leaves the root of the tree out.
func within(path, tree string) bool {
	if root, ok := strings.CutSuffix(tree, "/..."); ok {
		return strings.HasPrefix(path, root+"/")
	}
	return path == tree || strings.HasPrefix(path, tree+"/")
}

func anyWithin(path string, trees []string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool { return within(path, tree) })
}

// load lists the module. -e: a package that does not build is the compiler's business, not that of these rules.
func load(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Dir,Name,Imports,Deps,GoFiles,Standard", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var pkgs []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// Whatever a room imports, it never reaches these.
var forbidden = []struct {
	from, to, except []string
	because          string
}{
	{
		from:    []string{"zunserver"},
		to:      []string{module + "/provider", module + "/translate", "github.com/virtual-kubelet", "k8s.io/client-go"},
		except:  []string{"k8s.io/client-go/tools/remotecommand"},
		because: "Kubernetes stops at translate and provider; the server does not know who calls it",
	},
	{
		from: []string{"zunserver/api"}, to: []string{module + "/zunserver/agent"},
		because: "the API writes what is wanted into the store and never talks to an agent",
	},
	{
		from: []string{"zunserver/api/rest"},
		to: []string{module + "/zunserver/api/capsules", module + "/zunserver/api/hosts", module + "/zunserver/api/streams",
			module + "/zunserver/api/view", module + "/zunserver/store"},
		because: "what all routes have in common knows none of them",
	},
	{
		from: []string{"zunserver/agent"}, to: []string{module + "/zunserver/api"},
		because: "agents know the store, not who fills it",
	},
	{
		from: []string{"zunserver/agent/..."}, to: []string{module + "/zunserver/store"},
		because: "only the agent itself knows where facts are kept; what is beneath it acts on a host",
	},
	{
		from:    []string{"zunserver/store"},
		to:      []string{module + "/zunserver/api", module + "/zunserver/agent", module + "/zunserver/scheduler", module + "/zunserver/runtime"},
		because: "the store keeps records and knows no user of them",
	},
	{
		from:    []string{"zunserver/lifecycle", "zunserver/scheduler", "zunserver/api", "translate", "provider"},
		to:      []string{"github.com/docker/docker"},
		because: "Docker types stop at zunserver/runtime/docker",
	},
	{
		from: []string{"translate", "provider"},
		to: []string{module + "/zunserver/api", module + "/zunserver/agent", module + "/zunserver/store", module + "/zunserver/runtime",
			module + "/zunserver/scheduler", module + "/zunserver/lifecycle", module + "/zunserver/auth"},
		because: "the provider speaks REST even to the embedded server; only the vocabulary is shared",
	},
	{
		from:    []string{"translate", "zunserver/lifecycle", "zunserver/capsule"},
		to:      []string{"github.com/sirupsen/logrus", "k8s.io/client-go", "go.etcd.io/etcd", "github.com/gophercloud/gophercloud"},
		because: "pure rooms have no effects",
	},
	{
		from:    []string{"cmd", "config", "translate", "provider", "zunserver"},
		to:      []string{module + "/test"},
		because: "the product does not know its tests",
	},
}

func TestForbidden(t *testing.T) {
	for _, p := range load(t) {
		for _, rule := range forbidden {
			if !anyWithin(p.room(), rule.from) || testSupport(p) {
				continue
			}
			for _, dep := range p.Deps {
				if anyWithin(dep, rule.to) && !anyWithin(dep, rule.except) {
					t.Errorf("%s reaches %s: %s", p.room(), dep, rule.because)
				}
			}
		}
	}
}

// testSupport: suites that tests import and the product does not.
func testSupport(p pkg) bool { return within(p.room(), "zunserver/runtime/runtimetest") }

// A library's types get in where it is imported, so only these rooms import it.
var confined = []struct {
	library string
	rooms   []string
	because string
}{
	{"github.com/docker/docker", []string{"zunserver/runtime/docker", "test/bench"}, "Docker types stop at the runtime border"},
	{"go.etcd.io/etcd", []string{"zunserver/store"}, "the store is the only one who knows how records are kept"},
	{"github.com/virtual-kubelet/virtual-kubelet", []string{"provider", "cmd/capsulet", "test/..."}, "the node is the provider's business"},
	{"github.com/gophercloud/gophercloud", []string{"provider/zun", "zunserver/auth", "test/..."}, "OpenStack's client stays behind provider/zun"},
	{"github.com/spf13/cobra", []string{"cmd/capsulet", "config"}, "commands are made in cmd"},
}

func TestConfined(t *testing.T) {
	for _, p := range load(t) {
		for _, rule := range confined {
			for _, imp := range p.Imports {
				if within(imp, rule.library) && !anyWithin(p.room(), rule.rooms) {
					t.Errorf("%s imports %s: %s", p.room(), imp, rule.because)
				}
			}
		}
	}
}

// A room imports no more of ours than this.
var onlyOurs = map[string][]string{
	"config":                   {},
	"zunserver/capsule":        {"zunserver/capsule"},
	"translate":                {"translate", "zunserver/capsule"},
	"translate/podspec":        {"translate/podspec"},
	"translate/support":        {"translate/support", "translate/podspec"},
	"translate/admission":      {"translate/admission", "translate/podspec", "zunserver/capsule"},
	"provider/zun":             {"provider/zun", "zunserver/capsule"},
	"provider/kubelet":         {"provider/kubelet", "zunserver/capsule"},
	"provider/node":            {"provider/node", "zunserver/capsule"},
	"provider/vkclient":        {"provider/vkclient"},
	"provider/sources":         {"provider/sources", "translate", "zunserver/capsule"},
	"zunserver/agent/eviction": {"zunserver/agent/eviction", "zunserver/capsule"},
	"zunserver/lifecycle":      {"zunserver/lifecycle", "zunserver/capsule"},
	"zunserver/auth":           {"zunserver/auth", "zunserver/capsule"},
}

func TestOnlyOurs(t *testing.T) {
	for _, p := range load(t) {
		for tree, allowed := range onlyOurs {
			if !within(p.room(), tree) {
				continue
			}
			for _, dep := range p.Deps {
				if room, ours := strings.CutPrefix(dep, module+"/"); ours && !anyWithin(room, allowed) {
					t.Errorf("%s reaches %s; of ours it may know %v", p.room(), room, allowed)
				}
			}
		}
	}
}

// Pure rooms: what they compute depends on their arguments alone.
var pure = []string{"translate", "zunserver/lifecycle", "zunserver/agent/container", "zunserver/agent/eviction", "zunserver/runtime/docker/convert"}

var impure = []string{"context", "os", "os/exec", "net/http", "math/rand", "math/rand/v2", "crypto/rand", "sync", "log", "log/slog"}

// Packages that have effects and pure functions: clocks by what is forbidden, the network by what is allowed.
var (
	clocks      = []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep"}
	pureNetwork = []string{"IP", "IPNet", "ParseIP", "ParseCIDR", "JoinHostPort", "SplitHostPort"}
)

// effect says why a selector has no place in a pure room; empty when it may be there.
func effect(pkg, name string) string {
	switch {
	case pkg == "time" && slices.Contains(clocks, name):
		return "in a pure room the time is an argument"
	case pkg == "net" && !slices.Contains(pureNetwork, name):
		return "a pure room talks to nobody"
	default:
		return ""
	}
}

func TestPure(t *testing.T) {
	for _, p := range load(t) {
		if !anyWithin(p.room(), pure) {
			continue
		}
		for _, imp := range p.Imports {
			if slices.Contains(impure, imp) {
				t.Errorf("%s imports %s: effects are the caller's", p.room(), imp)
			}
		}
		for _, name := range p.GoFiles {
			file := filepath.Join(p.Dir, name)
			fset := token.NewFileSet()
			tree, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(tree, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); ok {
					if why := effect(x.Name, sel.Sel.Name); why != "" {
						t.Errorf("%s: %s.%s: %s", fset.Position(sel.Pos()), x.Name, sel.Sel.Name, why)
					}
				}
				return true
			})
		}
	}
}

func TestNames(t *testing.T) {
	for _, p := range load(t) {
		for _, part := range append(strings.Split(p.room(), "/"), p.Name) {
			switch part {
			case "util", "utils", "common", "helper", "helpers", "types", "manager", "misc", "base":
				t.Errorf("%s: a package is named after what it does, not %q", p.ImportPath, part)
			}
		}
	}
}

// Budgets are advice: what is over them is listed, nobody is stopped.
func TestBudgets(t *testing.T) {
	for _, p := range load(t) {
		total := 0
		for _, name := range p.GoFiles {
			n := lines(t, filepath.Join(p.Dir, name))
			total += n
			if n > 400 {
				t.Log(p.room() + "/" + name + " has " + strconv.Itoa(n) + " lines, the budget is 400")
			}
		}
		if total > 1500 {
			t.Log(p.room() + " has " + strconv.Itoa(total) + " lines, the budget is 1500")
		}
	}
}

func lines(t *testing.T, path string) int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); n++ {
	}
	return n
}
