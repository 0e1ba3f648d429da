package translate

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
)

var update = flag.Bool("update", false, "write the golden files")

type templateInput struct {
	Pod     corev1.Pod `json:"pod"`
	Sources struct {
		ConfigMaps    []corev1.ConfigMap  `json:"configMaps"`
		Secrets       []corev1.Secret     `json:"secrets"`
		Services      []*corev1.Service   `json:"services"`
		Tokens        []tokenInput        `json:"tokens"`
		Allocatable   corev1.ResourceList `json:"allocatable"`
		ClusterDNS    []string            `json:"clusterDNS"`
		ClusterDomain string              `json:"clusterDomain"`
		HostDNS       *capsule.DNS        `json:"hostDNS"`
	} `json:"sources"`
}

type tokenInput struct {
	Token
	Value string `json:"value"`
}

func (in *templateInput) sources() Sources {
	s := Sources{ConfigMaps: map[string]*corev1.ConfigMap{}, Secrets: map[string]*corev1.Secret{}, Tokens: map[Token]string{},
		Services: in.Sources.Services, Allocatable: in.Sources.Allocatable, ClusterDNS: in.Sources.ClusterDNS,
		ClusterDomain: in.Sources.ClusterDomain, HostDNS: in.Sources.HostDNS, NodeName: "capsulet"}
	for i := range in.Sources.ConfigMaps {
		s.ConfigMaps[in.Sources.ConfigMaps[i].Name] = &in.Sources.ConfigMaps[i]
	}
	for i := range in.Sources.Secrets {
		s.Secrets[in.Sources.Secrets[i].Name] = &in.Sources.Secrets[i]
	}
	for _, t := range in.Sources.Tokens {
		s.Tokens[t.Token] = t.Value
	}
	return s
}

type templateOutput struct {
	Needs    []SourceRef   `json:"needs,omitempty"`
	Spec     *capsule.Spec `json:"spec,omitempty"`
	Missing  string        `json:"missing,omitempty"`
	Refused  []Refusal     `json:"refused,omitempty"`
	Warnings []Refusal     `json:"warnings,omitempty"`
}

func TestTemplateGolden(t *testing.T) {
	golden(t, "template", func(t *testing.T, in []byte) any {
		var i templateInput
		parse(t, in, &i)
		spec, err := Template(&i.Pod, i.sources())
		out := templateOutput{Needs: Needs(&i.Pod), Warnings: Warnings(&i.Pod)}
		var missing *Missing
		var refused Refusals
		switch {
		case err == nil:
			out.Spec = &spec
			accepted(t, spec)
		case errors.As(err, &missing):
			out.Missing = missing.Error()
		case errors.As(err, &refused):
			for _, r := range refused {
				out.Refused = append(out.Refused, *r)
			}
		default:
			t.Fatalf("unexpected error %v", err)
		}
		return out
	})
}

// accepted checks that the capsule server takes the specification, and as it is.
func accepted(t *testing.T, spec capsule.Spec) {
	t.Helper()
	const uid = "11111111-2222-3333-4444-555555555555"
	doc, err := template.Encode(spec, uid)
	if err != nil {
		t.Fatal(err)
	}
	back, _, err := template.Parse(doc)
	if err != nil {
		t.Fatalf("the capsule server would refuse it: %v", err)
	}
	if diff := cmp.Diff(spec, back, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the capsule server reads it differently:\n%s", diff)
	}
}

func TestStatusGolden(t *testing.T) {
	golden(t, "status", func(t *testing.T, in []byte) any {
		var i struct {
			Pod           corev1.Pod       `json:"pod"`
			Before, After *capsule.Capsule `json:",omitempty"`
			Gone          bool             `json:"gone"`
		}
		parse(t, in, &i)
		status := PodStatus(&i.Pod, i.After)
		if i.Gone {
			status = GoneStatus(&i.Pod, i.After)
		}
		i.Pod.Status = status
		if again := PodStatus(&i.Pod, i.After); !i.Gone && !reflect.DeepEqual(again, status) {
			t.Errorf("the status of an unchanged pod changed:\n%+v\n%+v", status, again)
		}
		return struct {
			Status corev1.PodStatus `json:"status"`
			Events []Event          `json:"events,omitempty"`
		}{status, Events(&i.Pod, i.Before, i.After)}
	})
}

// golden runs every testdata/<dir>/*.in.yaml and compares with its .out.yaml.
func golden(t *testing.T, dir string, run func(*testing.T, []byte) any) {
	t.Helper()
	inputs, err := filepath.Glob(filepath.Join("testdata", dir, "*.in.yaml"))
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no golden files in %s: %v", dir, err)
	}
	for _, path := range inputs {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".in.yaml"), func(t *testing.T) {
			in, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := yaml.Marshal(run(t, in))
			if err != nil {
				t.Fatal(err)
			}
			out := strings.TrimSuffix(path, ".in.yaml") + ".out.yaml"
			if *update {
				if err := os.WriteFile(out, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if string(want) != string(got) {
				t.Errorf("%s differs (go test -update rewrites it); got\n%s", out, got)
			}
		})
	}
}

func parse(t *testing.T, in []byte, to any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(in, to); err != nil {
		t.Fatal(err)
	}
}

// TestEveryField walks the Kubernetes types: a field without a verdict fails, and so does a verdict without a field.
func TestEveryField(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ.PkgPath() != "k8s.io/api/core/v1" || seen[typ] {
			return
		}
		seen[typ] = true
		table, ok := fieldRules[typ]
		if !ok {
			t.Errorf("no verdicts for the type %s", typ.Name())
			return
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			rule, ok := table[f.Name]
			switch {
			case !ok:
				t.Errorf("no verdict for %s.%s", typ.Name(), f.Name)
			case rule.Verdict != Mapped && rule.Why == "":
				t.Errorf("%s.%s is %s without a reason", typ.Name(), f.Name, rule.Verdict)
			case rule.Verdict == Mapped, rule.Verdict == Partly:
				visit(f.Type)
			}
		}
		for name := range table {
			if _, ok := typ.FieldByName(name); !ok {
				t.Errorf("verdict for %s.%s, which does not exist", typ.Name(), name)
			}
		}
	}
	visit(reflect.TypeFor[corev1.PodSpec]())
	for typ := range fieldRules {
		if !seen[typ] {
			t.Errorf("verdicts for %s, which no pod can reach", typ.Name())
		}
	}
	if len(Fields()) < 150 {
		t.Errorf("the documentation table has %d rows only", len(Fields()))
	}
}
