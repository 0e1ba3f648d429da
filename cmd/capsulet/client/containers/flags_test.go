package containers

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/capsulet/capsulet/provider/zun/resources"
)

// parse reads a command line of create.
func parse(t *testing.T, args ...string) (resources.NewContainer, error) {
	t.Helper()
	var n creation
	var wanted resources.NewContainer
	var failed error
	c := &cobra.Command{Use: "create", SilenceErrors: true, SilenceUsage: true, Run: func(_ *cobra.Command, args []string) {
		wanted, failed = n.container(args)
	}}
	n.bind(c)
	c.SetArgs(args)
	if err := c.Execute(); err != nil {
		return wanted, err
	}
	return wanted, failed
}

// TestFlags: each flag of create as the API has it.
func TestFlags(t *testing.T) {
	dir := t.TempDir()
	file, env := filepath.Join(dir, "conf"), filepath.Join(dir, "env")
	for path, text := range map[string]string{file: "hello", env: "# comment\nA=file\nB=file\n\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("FROM_HERE", "here")
	for flags, want := range map[string]string{
		"web":                                             `{"image":"web"}`,
		"web -- sh -c true":                               `{"image":"web","command":["sh","-c","true"]}`,
		"--name n --cpu 0.5 -m 512 web":                   `{"image":"web","name":"n","cpu":0.5,"memory":"512"}`,
		"-m 2Gi web":                                      `{"image":"web","memory":"2048"}`,
		"-m 1.5g web":                                     `{"image":"web","memory":"1536"}`,
		"-m 64MB web":                                     `{"image":"web","memory":"64"}`,
		"-e A=b=c -e FROM_HERE web":                       `{"image":"web","environment":{"A":"b=c","FROM_HERE":"here"}}`,
		"-e A=flag --env-file " + env + " web":            `{"image":"web","environment":{"A":"flag","B":"file"}}`,
		"-l app=web --label tier= web":                    `{"image":"web","labels":{"app":"web","tier":""}}`,
		"--mount source=v,destination=/d web":             `{"image":"web","mounts":[{"source":"v","destination":"/d"}]}`,
		"--mount size=3,destination=/d web":               `{"image":"web","mounts":[{"size":"3","destination":"/d"}]}`,
		"-v v:/d web":                                     `{"image":"web","mounts":[{"source":"v","destination":"/d"}]}`,
		"--net blue --net port=p web":                     `{"image":"web","nets":[{"network":"blue"},{"port":"p"}]}`,
		"--net network=b,v4-fixed-ip=1.2.3.4 web":         `{"image":"web","nets":[{"network":"b","v4-fixed-ip":"1.2.3.4"}]}`,
		"-p 80 -p 8053:53/udp web":                        `{"image":"web","exposed_ports":{"53/udp":{"hostPort":8053},"80/tcp":{}}}`,
		"--restart on-failure:3 web":                      `{"image":"web","restart_policy":{"Name":"on-failure","MaximumRetryCount":"3"}}`,
		"--restart always web":                            `{"image":"web","restart_policy":{"Name":"always"}}`,
		"-it --rm web":                                    `{"image":"web","interactive":true,"tty":true,"auto_remove":true}`,
		"--auto-remove --auto-heal web":                   `{"image":"web","auto_remove":true,"auto_heal":true}`,
		"--sandbox s -w /w --hostname h web":              `{"image":"web","workdir":"/w","hostname":"h","sandbox":"s"}`,
		"--healthcheck cmd=true,interval=5,retries=2 web": `{"image":"web","healthcheck":{"cmd":"true","interval":5,"retries":2}}`,
		"--mount type=bind,source=" + file + ",destination=/c web": `{"image":"web","mounts":[{"source":"aGVsbG8=","destination":"/c","type":"bind"}]}`,
	} {
		got, err := parse(t, strings.Fields(flags)...)
		text, _ := json.Marshal(got)
		if err != nil || string(text) != want {
			t.Errorf("%s: %s, %v, want %s", flags, text, err, want)
		}
	}
}

// TestFlagsRefused: what cannot be is told with the flag, and what would be right.
func TestFlagsRefused(t *testing.T) {
	for flags, words := range map[string][]string{
		"-m lots web":                      {"--memory lots", "512M"},
		"-m 1K web":                        {"--memory 1K"},
		"-e =x web":                        {"--env =x", "NAME=VALUE"},
		"-e NOT_SET_ANYWHERE web":          {"--env NOT_SET_ANYWHERE", "NOT_SET_ANYWHERE=VALUE"},
		"-l app web":                       {"--label app"},
		"--mount source=v web":             {"--mount source=v", "destination"},
		"--mount src=v,destination=/d web": {"src", "source, size, destination, type"},
		"--mount type=bind,source=/nope,destination=/d web": {"/nope"},
		"-v /d web":                     {"--volume /d", "VOLUME:PATH"},
		"-p 0 web":                      {"--publish 0"},
		"-p 1:2:3 web":                  {"--publish 1:2:3"},
		"-p 80/sctp web":                {"--publish 80/sctp"},
		"-p 99999:80 web":               {"--publish 99999:80"},
		"--restart sometimes web":       {"--restart sometimes", "unless-stopped"},
		"--restart always:3 web":        {"--restart always:3", "on-failure"},
		"--restart on-failure:many web": {"many"},
		"--net vlan=3 web":              {"--net vlan=3", "v4-fixed-ip"},
		"--sandbox a --capsule b web":   {"sandbox", "capsule"},
	} {
		_, err := parse(t, strings.Fields(flags)...)
		if err == nil {
			t.Errorf("%s: nothing is wrong", flags)
			continue
		}
		for _, word := range words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q does not say %q", flags, err, word)
			}
		}
	}
}

func TestReference(t *testing.T) {
	for text, want := range map[string][2]string{
		"web": {"web", ""}, "web:1": {"web", "1"}, "r.example:5000/web": {"r.example:5000/web", ""}, "r.example:5000/web:2": {"r.example:5000/web", "2"},
	} {
		if repository, tag := reference(text); repository != want[0] || tag != want[1] {
			t.Errorf("%s: %q %q", text, repository, tag)
		}
	}
}
