package zunclient

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/capsulet/capsulet/zunserver/runtime/runtimetest"
)

// tried are the commands of `openstack` that a test ran.
var tried struct {
	sync.Mutex
	list []string
}

func try(command string) {
	tried.Lock()
	defer tried.Unlock()
	tried.list = append(tried.list, command)
}

// elsewhere are the commands of the plugin that ask Neutron, of which there is none.
var elsewhere = map[string]bool{"appcontainer add floating ip": true, "appcontainer remove floating ip": true}

// TestMain demands, when all tests have passed, that no command of the plugin was left out.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if code == 0 && flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.list").Value.String() == "" {
		if left, err := untried(); err != nil || len(left) > 0 {
			fmt.Fprintf(os.Stderr, "FAIL: commands of the plugin that no test tries: %q, %v\n", left, err)
			code = 1
		}
	}
	os.Exit(code)
}

// untried asks Python which commands the plugin has.
func untried() (left []string, err error) {
	const ask = `from importlib.metadata import entry_points
for e in entry_points(group="openstack.container.v1"): print(e.name.replace("_", " "))`
	out, err := exec.Command(python, "-c", ask).Output() //nolint:forbidigo // after the tests
	if err != nil {
		return nil, fmt.Errorf("list the commands: %w", err)
	}
	all := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, command := range all {
		found := elsewhere[command]
		for _, t := range tried.list {
			found = found || t == command || strings.HasPrefix(t, command+" ")
		}
		if !found {
			left = append(left, command)
		}
	}
	if len(all) < 50 {
		err = fmt.Errorf("there are %d", len(all))
	}
	return left, err
}

// What is left of the plugin: networks, security groups and actions of a container, images, the end of a service.
func TestPlugin(t *testing.T) {
	s := admin(t)
	s.openstack(`\| one `, "appcontainer", "run", "--name", "one", "--image-pull-policy", "ifnotpresent", runtimetest.ImageRef)
	s.until("one", "Running")

	s.openstack(`\d+\.\d+\.\d+\.\d+`, "appcontainer", "network", "list", "one")
	s.refused("Network 'bridge' is already connected", "appcontainer", "network", "attach", "--network", "bridge", "one")
	s.openstack("accepted", "appcontainer", "network", "detach", "--network", "bridge", "one")
	s.comes(`^\s*$`, "appcontainer", "network", "list", "one", "-f", "value")
	s.openstack("accepted", "appcontainer", "network", "attach", "--network", "bridge", "one")
	s.comes(`\d+\.\d+\.\d+\.\d+`, "appcontainer", "network", "list", "one")
	for _, verb := range []string{"add", "remove"} { // they went with 1.15
		s.refused("failed.*up to microversion 1.14.*406", "appcontainer", verb, "security", "group", "one", "default")
		s.openstack("accepted", "--os-container-api-version", "1.14", "appcontainer", verb, "security", "group", "one", "default")
	}

	commit := committed + uuid.NewString()[:8]
	made := regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).FindString(s.openstack("accepted", "appcontainer", "commit", "one", commit))
	action := regexp.MustCompile(`req-\S+`).FindString(s.openstack("commit", "appcontainer", "action", "list", "one"))
	s.openstack(`action +\| commit`, "appcontainer", "action", "show", "one", action)
	s.comes(made, "appcontainer", "image", "list")
	s.openstack(`repo +\| capsulet/committed`, "appcontainer", "image", "show", made)
	s.openstack("capsulet/testprog", "appcontainer", "image", "search", runtimetest.ImageRef, "--exact-match")
	s.openstack("accepted", "appcontainer", "image", "delete", made)
	if out := s.openstack("", "appcontainer", "image", "list"); strings.Contains(out, made) {
		t.Errorf("image %s is there still:\n%s", made, out)
	}
	s.openstack(`repo +\| capsulet/testprog`, "appcontainer", "image", "pull", runtimetest.ImageRef, hostName) // accepted; no registry has it

	s.openstack("", "appcontainer", "delete", "one", "--stop")
	s.until("one", "")
	s.openstack("accepted", "appcontainer", "service", "delete", hostName, "zun-compute")
}
