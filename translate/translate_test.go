package translate

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/test/golden"
	"github.com/capsulet/capsulet/translate/support"
	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/capsule/template"
)

type templateInput struct {
	Pod     corev1.Pod `json:"pod"`
	Sources struct {
		ConfigMaps    []corev1.ConfigMap             `json:"configMaps"`
		Secrets       []corev1.Secret                `json:"secrets"`
		Services      []*corev1.Service              `json:"services"`
		Claims        []corev1.PersistentVolumeClaim `json:"claims"`
		Volumes       []corev1.PersistentVolume      `json:"volumes"`
		Tokens        []tokenInput                   `json:"tokens"`
		Allocatable   corev1.ResourceList            `json:"allocatable"`
		ClusterDNS    []string                       `json:"clusterDNS"`
		ClusterDomain string                         `json:"clusterDomain"`
		HostDNS       *capsule.DNS                   `json:"hostDNS"`
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
	s.Claims, s.Volumes = map[string]*corev1.PersistentVolumeClaim{}, map[string]*corev1.PersistentVolume{}
	for i := range in.Sources.Claims {
		s.Claims[in.Sources.Claims[i].Name] = &in.Sources.Claims[i]
	}
	for i := range in.Sources.Volumes {
		s.Volumes[in.Sources.Volumes[i].Name] = &in.Sources.Volumes[i]
	}
	for _, t := range in.Sources.Tokens {
		s.Tokens[t.Token] = t.Value
	}
	return s
}

type templateOutput struct {
	Needs    []SourceRef       `json:"needs,omitempty"`
	Spec     *capsule.Spec     `json:"spec,omitempty"`
	Missing  string            `json:"missing,omitempty"`
	Refused  []support.Refusal `json:"refused,omitempty"`
	Warnings []support.Refusal `json:"warnings,omitempty"`
}

func TestTemplateGolden(t *testing.T) {
	golden.Run(t, "template", func(t *testing.T, in []byte) any {
		var i templateInput
		golden.Parse(t, in, &i)
		spec, lacking, err := Template(&i.Pod, i.sources(), nil)
		out := templateOutput{Needs: Needs(&i.Pod), Warnings: support.Warnings(&i.Pod)}
		var refused support.Refusals
		switch {
		case len(lacking) > 0:
			out.Missing = lacking[0].Error()
		case err == nil:
			out.Spec = &spec
			accepted(t, spec)
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
