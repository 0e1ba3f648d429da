package api_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

const newest = "container 1.40"

// UpdateStandalone reads, lets update look and compares, as the store does.
func (b *backends) UpdateStandalone(_ context.Context, uuid string, update func(*capsule.Spec, *[]capsule.Standalone) error) (*capsule.Capsule, error) {
	for {
		b.mu.Lock()
		c := b.all[uuid]
		b.mu.Unlock()
		if c == nil {
			return nil, errdefs.ErrNotFound
		}
		if c.Deletion != nil {
			return nil, fmt.Errorf("it is being deleted: %w", errdefs.ErrFailedPrecondition)
		}
		twin := *c
		spec, err := c.Spec.Clone()
		if err != nil {
			return nil, err
		}
		twin.Spec, twin.Standalone = *spec, slices.Clone(c.Standalone)
		if err := update(&twin.Spec, &twin.Standalone); err != nil {
			return nil, fmt.Errorf("update: %w", err)
		}
		b.mu.Lock()
		if b.all[uuid] == c {
			b.revision++
			twin.Revision = b.revision
			b.all[uuid] = &twin
			b.mu.Unlock()
			return &twin, nil
		}
		b.mu.Unlock()
	}
}

// container makes one with the properties, as the administrator so that it may have all of them, and returns its UUID.
func (w *world) container(properties string, headers ...string) string {
	w.Helper()
	if properties != "" {
		properties = "," + properties
	}
	got := w.get(202, "POST", "/v1/containers", `{"image":"busybox"`+properties+`}`, append([]string{"OpenStack-API-Version", newest}, headers...)...)
	return got["uuid"].(string)
}

// is makes the container's facts those of a state that can be reached without an agent.
func (w *world) is(id, state string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	twin := *w.all[id]
	name := twin.Spec.Containers[0].Name
	run := &capsule.Run{ID: "r", CreatedAt: w.now}
	if len(twin.Standalone) > 0 {
		run.Starts = twin.Standalone[0].Want.Starts
	}
	twin.Claim.Host = "h1"
	twin.Facts.Sandbox = capsule.Sandbox{ID: "s", Ready: true, Addresses: []string{"10.0.0.2"}}
	twin.Facts.Containers = []capsule.ContainerFacts{{Name: name, Run: run}}
	switch state {
	case "Running", "Paused":
		run.StartedAt, run.Paused = w.now, state == "Paused"
	case "Stopped":
		run.StartedAt, run.FinishedAt = w.now, w.now
	case "Creating":
		twin.Facts.Containers = nil
	case "Created":
	default:
		w.Fatalf("state %s", state)
	}
	w.all[id] = &twin
}

func TestContainerFromBirthToDeletion(t *testing.T) {
	w := newWorld(t)
	resp := w.do("POST", "/v1/containers?run=true", `{"image":"busybox","name":"c1","command":["sleep","9"],"entrypoint":["/init"]}`, "OpenStack-API-Version", newest)
	id := strings.TrimPrefix(resp.Header.Get("Location"), w.url+"/v1/containers/")
	if resp.StatusCode != 202 || len(id) != 36 {
		t.Fatalf("%s, Location %q", resp.Status, id)
	}
	one := w.all[id]
	if one.Kind != capsule.KindContainer || one.Spec.Containers[0].UUID != id || one.Standalone[0].Want.State != capsule.WantRunning || one.Standalone[0].Want.Starts != 1 {
		t.Errorf("record %+v", one)
	}
	for _, path := range []string{"/v1/containers/" + id, "/containers//c1", "/v1/containers/c1?all_projects=False"} {
		got := w.get(200, "GET", path, "")
		if got["uuid"] != id || got["name"] != "c1" || got["cpu"] != 1.0 || got["memory"] != "512" || got["project_id"] != "p1" ||
			fmt.Sprint(got["command"], got["entrypoint"]) != "[sleep 9] [/init]" || len(got["links"].([]any)) != 2 {
			t.Errorf("%s: %v", path, got)
		}
		if _, shown := got["host"]; shown {
			t.Error("the host is shown to a user")
		}
	}
	w.get(404, "GET", "/v1/containers/"+id, "", "X-Auth-Token", otherToken)
	w.get(404, "GET", "/v1/capsules/"+id, "")
	w.get(404, "GET", "/v1/capsules/c1", "")
	if got := w.get(200, "GET", "/v1/capsules", ""); len(got["capsules"].([]any)) != 0 {
		t.Errorf("a container is listed as a capsule: %v", got)
	}
	if got := w.get(200, "GET", "/v1/containers/"+id, "", "X-Auth-Token", adminToken); got["image_pull_policy"] != "always" || got["privileged"] != false {
		t.Errorf("by the administrator: %v", got)
	}
	w.is(id, "Running")
	if got := w.get(409, "DELETE", "/v1/containers/c1", ""); !strings.Contains(fmt.Sprint(got), "Cannot delete container "+id+" in Running state") {
		t.Errorf("%v", got)
	}
	w.is(id, "Stopped")
	w.get(204, "DELETE", "/v1/containers/c1?force=False&stop=False&all_projects=False", "")
	if w.all[id].Deletion == nil {
		t.Error("no deletion")
	}
}

// What is wanted after each action, and in which states it may be asked for.
func TestActions(t *testing.T) {
	for _, row := range []struct {
		action  string
		allowed string
		want    capsule.Want
	}{
		{"start", "Created Stopped", capsule.Want{State: capsule.WantRunning, Starts: 2}},
		{"stop?timeout=3", "Running", capsule.Want{State: capsule.WantStopped, Starts: 1}},
		{"reboot", "Created Running Stopped", capsule.Want{State: capsule.WantRunning, Starts: 2}},
		{"pause", "Running", capsule.Want{State: capsule.WantPaused, Starts: 1}},
		{"unpause", "", capsule.Want{}},
		{"rebuild?image=nginx", "Created Running Stopped", capsule.Want{State: capsule.WantCreated, Starts: 2, Rebuild: 2}},
	} {
		for _, state := range []string{"Creating", "Created", "Running", "Stopped"} {
			t.Run(row.action+" "+state, func(t *testing.T) {
				w := newWorld(t)
				id := w.container(`"name":"c1"`)
				w.all[id].Standalone[0].Want.Starts = 1
				w.is(id, state)
				path := "/v1/containers/c1/" + row.action
				if !slices.Contains(strings.Fields(row.allowed), state) {
					before := w.all[id].Standalone[0].Want
					name, _, _ := strings.Cut(row.action, "?")
					got := fmt.Sprint(w.get(409, "POST", path, ""))
					if !strings.Contains(got, "container.invalid-state-exception") || !strings.Contains(got, fmt.Sprintf("Cannot %s container %s in %s state", name, id, state)) {
						t.Error(got)
					}
					if now := w.all[id].Standalone[0].Want; now != before {
						t.Errorf("%+v became %+v", before, now)
					}
					return
				}
				w.get(202, "POST", path, "")
				want, got := row.want, w.all[id].Standalone[0].Want
				if strings.HasPrefix(row.action, "rebuild") && state == "Running" {
					want.State = capsule.WantRunning
				}
				if got.State != want.State || got.Starts != want.Starts || got.Rebuild != want.Rebuild || got.At.IsZero() {
					t.Errorf("%+v, want %+v", got, want)
				}
				if grace := got.GraceSeconds; (grace != nil) != strings.Contains(row.action, "timeout") || grace != nil && *grace != 3 {
					t.Errorf("grace %v", grace)
				}
				if image := w.all[id].Spec.Containers[0].Image; (image == "nginx") != strings.Contains(row.action, "nginx") {
					t.Errorf("image %s", image)
				}
			})
		}
	}
}

func TestContainerProperties(t *testing.T) {
	w := newWorld(t)
	file := base64.StdEncoding.EncodeToString([]byte("hush"))
	id := w.container(`"name":"c1","cpu":"0.5","memory":"64","workdir":"/w","auto_remove":"True","labels":{"a":"b"},"environment":{"B":"2","A":"$(B)"},
		"restart_policy":{"Name":"no","MaximumRetryCount":"3"},"interactive":true,"tty":true,"image_driver":"docker","hints":{"k":"v"},"hostname":"h",
		"mounts":[{"type":"bind","source":"`+file+`","destination":"/etc/x"}],"auto_heal":true,"healthcheck":{"cmd":"true","interval":5,"retries":"2"},
		"exposed_ports":{"80/tcp":{},"53/udp":{"hostPort":5353}},"availability_zone":"z","image_pull_policy":"ifnotpresent","runtime":"runc","privileged":"true"`,
		"X-Auth-Token", adminToken)
	one := w.all[id]
	cs := one.Spec.Containers[0]
	if cs.CPU() != 500 || cs.Memory() != 64<<20 || cs.Resources.Limits.Memory().Value() != 64<<20 || !cs.Resources.Limits.Cpu().IsZero() {
		t.Errorf("resources %+v", cs.Resources)
	}
	if fmt.Sprint(cs.Env) != "[{A $(B)  true false} {B 2  true false}]" || cs.WorkDir != "/w" || !cs.Stdin || !cs.TTY || *cs.SecurityContext.Privileged != true {
		t.Errorf("%+v", cs)
	}
	v := one.Spec.Volumes[0]
	if string(v.Files.Items[0].Content) != "hush" || !v.Files.Sensitive || cs.VolumeMounts[0].Name != v.Name || cs.VolumeMounts[0].SubPath != v.Files.Items[0].Path {
		t.Errorf("volume %+v mounted as %+v", v, cs.VolumeMounts)
	}
	if p := cs.ReadinessProbe; p == nil || strings.Join(p.Exec.Command, " ") != "/bin/sh -c true" || p.PeriodSeconds != 5 || p.FailureThreshold != 2 || p.TimeoutSeconds != 30 {
		t.Errorf("probe %+v", p)
	}
	if s := one.Spec; s.Hostname != "h" || s.AvailabilityZone != "z" || s.Runtime != "runc" || s.RestartPolicy != capsule.RestartNever {
		t.Errorf("spec %+v", s)
	}
	got := w.get(200, "GET", "/v1/containers/"+id, "", "X-Auth-Token", adminToken)
	for key, want := range map[string]string{"ports": "[53 80]", "healthcheck": "map[interval:5 retries:2 test:true]", "auto_remove": "true", "auto_heal": "true",
		"restart_policy": "map[MaximumRetryCount:0 Name:no]", "image_driver": "docker", "labels": "map[a:b]", "cpu_policy": "shared", "privileged": "true"} {
		if is := fmt.Sprint(got[key]); is != want {
			t.Errorf("%s is %s, want %s", key, is, want)
		}
	}
	if strings.Contains(fmt.Sprint(got), "hush") || strings.Contains(fmt.Sprint(got), file) {
		t.Errorf("the file is shown: %v", got)
	}
}

func TestContainerOfOldVersions(t *testing.T) {
	w := newWorld(t)
	for _, row := range []struct {
		version, properties string
		status              int
		want                string
	}{
		{"1.1", `"command":"sh -c \"echo hi; ls\""`, 202, "[sh -c echo hi; ls] tty=false"},
		{"1.1", `"command":["ls"]`, 400, "from version 1.20"},
		{"1.20", `"command":"ls"`, 400, "not of type 'array'"},
		{"1.19", `"interactive":true`, 202, "[] tty=false"},
		{"1.20", `"interactive":true`, 202, "[] tty=true"},
		{"1.35", `"interactive":true,"tty":false`, 202, "[] tty=true"},
		{"1.35", `"tty":true`, 202, "[] tty=false"},
		{"1.36", `"interactive":true`, 202, "[] tty=false"},
		{"1.2", `"auto_remove":true`, 400, "Invalid param auto_remove because current request version is 1.2. auto_remove is only supported from version 1.3"},
		{"1.1", `"nets":[{"network":"n"}]`, 400, "nets is only supported from version 1.2"},
		{"1.1", `"nets":[],"mounts":[]`, 202, "[] tty=false"},
		{"1.4", `"runtime":"runc"`, 400, "version 1.5"},
		{"1.8", `"hostname":"h"`, 400, "version 1.9"},
		{"1.10", `"mounts":[{"source":"v","destination":"/d"}]`, 400, "version 1.11"},
		{"1.22", `"mounts":[{"type":"bind","source":"","destination":"/d"}]`, 400, "version 1.23"},
		{"1.20", `"privileged":true`, 400, "version 1.21"},
		{"1.21", `"healthcheck":{"cmd":"ls"}`, 400, "version 1.22"},
		{"1.23", `"exposed_ports":{"80":{}}`, 400, "version 1.24"},
		{"1.27", `"cpu_policy":"shared"`, 400, "version 1.28"},
		{"1.30", `"registry":"r"`, 400, "version 1.31"},
		{"1.38", `"host":"h"`, 400, "version 1.39"},
		{"1.39", `"entrypoint":["sh"]`, 400, "version 1.40"},
	} {
		t.Run(row.version+" "+row.properties, func(t *testing.T) {
			w := *w
			w.T = t
			got := w.get(row.status, "POST", "/v1/containers", `{"image":"busybox",`+row.properties+`}`, "OpenStack-API-Version", "container "+row.version)
			says := fmt.Sprint(got["command"], " tty=", got["tty"])
			if row.status != 202 {
				says = fmt.Sprint(got)
			}
			if !strings.Contains(says, row.want) {
				t.Errorf("%s\nwant %s", says, row.want)
			}
		})
	}
	id := w.container(`"name":"old"`)
	w.is(id, "Running")
	for _, row := range []struct {
		method, path, version string
		status                int
	}{
		{"POST", "/rename?name=new", "1.14", 406},
		{"POST", "/rename?name=new", "1.13", 200},
		{"POST", "/rename?name=new", "1.13", 409},
		{"POST", "/resize_container?cpu=0.2", "1.18", 406},
		{"POST", "/resize_container?cpu=0.2", "1.19", 202},
		{"DELETE", "?force=true", "1.6", 400},
		{"DELETE", "?force=true", "1.7", 403},
		{"DELETE", "?stop=true", "1.11", 400},
		{"DELETE", "?stop=true", "1.12", 204},
	} {
		w.get(row.status, row.method, "/v1/containers/"+id+row.path, "", "OpenStack-API-Version", "container "+row.version)
	}
	if d := w.all[id].Deletion; d == nil || d.GraceSeconds != 10 || d.Force || w.all[id].Standalone[0].Name != "new" || w.all[id].Spec.Containers[0].CPU() != 200 {
		t.Errorf("%+v, deletion %+v", w.all[id], d)
	}
}

func TestContainerUpdate(t *testing.T) {
	w := newWorld(t)
	id := w.container(`"name":"c1"`)
	w.is(id, "Running")
	got := w.get(200, "PATCH", "/v1/containers/c1", `{"memory":"128","cpu":"0.3","name":"other","auto_heal":"true"}`)
	if got["memory"] != "128" || got["cpu"] != 0.3 || got["name"] != "other" || got["auto_heal"] != true {
		t.Errorf("%v", got)
	}
	w.get(404, "GET", "/v1/containers/c1", "")
	w.get(200, "GET", "/v1/containers/other", "")
	w.get(202, "POST", "/v1/containers/other/stop", `{"timeout": 7}`)
	if g := w.all[id].Standalone[0].Want.GraceSeconds; g == nil || *g != 7 {
		t.Errorf("a parameter in the body: %v", g)
	}
}

func TestContainerRefusals(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		w.container(`"name":"twin"`)
	}
	w.is(w.container(`"name":"one"`), "Running")
	for _, row := range []struct {
		name, method, path, body string
		status                   int
		code, want               string
	}{
		{"no image", "POST", "", `{}`, 400, "schema-validation-error", "'image' is a required property"},
		{"unknown property", "POST", "", `{"image":"busybox","moon":1}`, 400, "schema-validation-error", "moon was unexpected"},
		{"unknown parameter", "POST", "?moon=1", `{"image":"busybox"}`, 400, "invalid-value", "Unknown parameters: moon"},
		{"run", "POST", "?run=maybe", `{"image":"busybox"}`, 400, "invalid-value", "not a boolean"},
		{"name", "POST", "", `{"image":"busybox","name":"_"}`, 400, "schema-validation-error", "Invalid input for field 'name'"},
		{"cpu", "POST", "", `{"image":"busybox","cpu":17}`, 400, "schema-validation-error", "17 is greater than the maximum of 16"},
		{"memory", "POST", "", `{"image":"busybox","memory":"3"}`, 400, "schema-validation-error", "3 is less than the minimum of 4"},
		{"memory with a unit", "POST", "", `{"image":"busybox","memory":"3g"}`, 400, "schema-validation-error", "'3g' is not a number"},
		{"half a MiB", "POST", "", `{"image":"busybox","memory":64.5}`, 400, "schema-validation-error", "not of type 'integer'"},
		{"disk", "POST", "", `{"image":"busybox","disk":1}`, 400, "schema-validation-error", "does not support disk quota"},
		{"volume", "POST", "", `{"image":"busybox","mounts":[{"source":"v","destination":"/d"}]}`, 400, "schema-validation-error", "needs Cinder"},
		{"a size", "POST", "", `{"image":"busybox","mounts":[{"size":1,"destination":"/d"}]}`, 400, "schema-validation-error", "volumes.sized"},
		{"no base64", "POST", "", `{"image":"busybox","mounts":[{"type":"bind","source":"?","destination":"/d"}]}`, 400, "schema-validation-error", "is not base64"},
		{"relative file", "POST", "", `{"image":"busybox","mounts":[{"type":"bind","source":"","destination":"d"}]}`, 400, "schema-validation-error", "mounts.destination"},
		{"up and down", "POST", "", `{"image":"busybox","mounts":[{"type":"bind","source":"","destination":"/a/../d"}]}`, 400, "schema-validation-error", "mounts.destination"},
		{"restart policy", "POST", "", `{"image":"busybox","restart_policy":{"Name":"x"}}`, 400, "schema-validation-error", "restart_policy.Name"},
		{"retries of always", "POST", "", `{"image":"busybox","restart_policy":{"Name":"always","MaximumRetryCount":1}}`, 400, "invalid-value", "maximum retry count not valid with restart policy of always"},
		{"removed and restarted", "POST", "", `{"image":"busybox","auto_remove":true,"restart_policy":{"Name":"always"}}`, 400, "invalid-value", "exclude each other"},
		{"security group", "POST", "", `{"image":"busybox","security_groups":["web"]}`, 400, "invalid-value", "Security group web not found."},
		{"port", "POST", "", `{"image":"busybox","exposed_ports":{"0":{}}}`, 400, "invalid-value", "value 0 is invalid as publish port."},
		{"protocol", "POST", "", `{"image":"busybox","exposed_ports":{"1/sctp":{}}}`, 400, "invalid-value", "value sctp is an invalid protocol"},
		{"privileged", "POST", "", `{"image":"busybox","privileged":true}`, 403, "policy-not-authorized", "container:create:privileged"},
		{"runtime", "POST", "", `{"image":"busybox","runtime":"runc"}`, 403, "policy-not-authorized", "container:create:runtime"},
		{"pull policy", "POST", "", `{"image":"busybox","image_pull_policy":"never"}`, 403, "policy-not-authorized", "container:create:image_pull_policy"},
		{"host", "POST", "", `{"image":"busybox","host":"h1"}`, 403, "policy-not-authorized", "container:create:requested_destination"},
		{"no such sandbox", "POST", "", `{"image":"busybox","sandbox":"s"}`, 400, "schema-validation-error", "There is no sandbox s"},
		{"sandbox and capsule", "POST", "", `{"image":"busybox","sandbox":"s","capsule":"c"}`, 400, "schema-validation-error", "exclude each other"},
		{"hostname in a sandbox", "POST", "", `{"image":"busybox","sandbox":"s","hostname":"h"}`, 400, "schema-validation-error", "It is the sandbox'"},
		{"two of the name", "GET", "/twin", "", 409, "conflict", "Multiple containers exist with same name."},
		{"not there", "POST", "/nope/start", "", 404, "container-not-found", "Container nope could not be found."},
		{"unknown parameter of an action", "POST", "/one/start?x=1", "", 400, "schema-validation-error", "'x' was unexpected"},
		{"timeout", "POST", "/one/stop?timeout=-1", "", 400, "schema-validation-error", "timeout"},
		{"image of a rebuild", "POST", "/one/rebuild?image=!", "", 400, "schema-validation-error", "'image'"},
		{"driver of a rebuild", "POST", "/one/rebuild?image_driver=glance", "", 400, "schema-validation-error", "image_driver"},
		{"unknown property of an update", "PATCH", "/one", `{"image":"x"}`, 400, "schema-validation-error", "image was unexpected"},
		{"list parameter", "GET", "?moon=1", "", 400, "invalid-value", "Unknown parameters: moon"},
		{"all projects", "GET", "?all_projects=1", "", 403, "policy-not-authorized", "container:get_all_all_projects"},
		{"filter by host", "GET", "?host=h1", "", 403, "policy-not-authorized", "container:get_one:host"},
		{"delete of all projects", "DELETE", "/one?all_projects=true", "", 403, "policy-not-authorized", "container:delete_all_projects"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := *w
			w.T = t
			before := len(w.all)
			got := w.get(row.status, row.method, "/v1/containers"+row.path, row.body, "OpenStack-API-Version", newest)
			e := got["errors"].([]any)[0].(map[string]any)
			if e["code"] != "container."+row.code || !strings.Contains(e["detail"].(string), row.want) {
				t.Errorf("%v\nwant %s: %s", e, row.code, row.want)
			}
			if len(w.all) != before {
				t.Error("something was made")
			}
		})
	}
}

func TestContainerList(t *testing.T) {
	w := newWorld(t)
	ids := map[string]string{}
	for _, name := range []string{"aa", "bb", "cc"} {
		ids[name] = w.container(`"name":"` + name + `","memory":` + map[string]string{"aa": "64", "bb": "128", "cc": "64"}[name])
	}
	w.is(ids["bb"], "Running")
	w.container(`"name":"other","image":"nginx"`[:14], "X-Auth-Token", otherToken)
	w.get(202, "POST", "/v1/capsules", named("capsule"))
	names := func(query string, headers ...string) string {
		var all []string
		for path := "/v1/containers" + query; path != ""; {
			got := w.get(200, "GET", path, "", headers...)
			for _, c := range got["containers"].([]any) {
				all = append(all, c.(map[string]any)["name"].(string))
			}
			next, _ := got["next"].(string)
			path = strings.TrimPrefix(next, w.url)
		}
		return strings.Join(all, " ")
	}
	for query, want := range map[string]string{
		"": "aa bb cc", "?limit=1": "aa bb cc", "?sort_key=name&sort_dir=desc&limit=2": "cc bb aa", "?sort_key=memory": "", "?name=bb": "bb",
		"?memory=64": "aa cc", "?memory=64&limit=1": "aa cc", "?status=Running": "bb", "?auto_remove=False": "aa bb cc", "?image=busybox&status=Creating": "aa cc",
		"?project_id=p2": "", "?user_id=u1": "aa bb cc",
	} {
		if got := names(query); got != want && query != "?sort_key=memory" {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if got := names("?all_projects=1", "X-Auth-Token", adminToken); got != "aa bb cc other" {
		t.Error(got)
	}
	if got := names("?all_projects=1&host=h1", "X-Auth-Token", adminToken); got != "bb" {
		t.Error(got)
	}
}
