package container_test

import (
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

func env(pairs ...string) []capsule.EnvVar {
	var vs []capsule.EnvVar
	for i := 0; i < len(pairs); i += 2 {
		vs = append(vs, capsule.EnvVar{Name: pairs[i], Value: pairs[i+1]})
	}
	return vs
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		env  []capsule.EnvVar
		want []string
	}{
		{"in the order of the spec", env("B", "2", "A", "1"), []string{"B=2", "A=1"}},
		{"an empty value", env("A", ""), []string{"A="}},
		{"an earlier one", env("A", "1", "B", "<$(A)>"), []string{"A=1", "B=<1>"}},
		{"a later one is unknown", env("A", "<$(B)>", "B", "1"), []string{"A=<$(B)>", "B=1"}},
		{"one that nobody knows", env("A", "$(NO)"), []string{"A=$(NO)"}},
		{"two dollars are one", env("A", "1", "B", "$$(A)"), []string{"A=1", "B=$(A)"}},
		{"three dollars", env("A", "1", "B", "$$$(A)"), []string{"A=1", "B=$1"}},
		{"a value is not expanded twice", env("X", "!", "A", "$$(X)", "B", "$(A)"), []string{"X=!", "A=$(X)", "B=$(X)"}},
		{"dollars without a meaning", env("A", "$ $a ${A} $(A"), []string{"A=$ $a ${A} $(A"}},
		{"a dollar at the end", env("A", "x$"), []string{"A=x$"}},
		{"no name", env("A", "$()"), []string{"A=$()"}},
		{"the last of a name counts, at its first place", env("A", "1", "B", "b", "A", "2"), []string{"A=2", "B=b"}},
		{"a name may build on itself", env("A", "1", "A", "$(A)2"), []string{"A=12"}},
		{"who came between saw the first", env("A", "1", "B", "$(A)", "A", "2"), []string{"A=2", "B=1"}},
		{"literal", []capsule.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "$(A)$$", Literal: true}, {Name: "C", Value: "$(B)"}},
			[]string{"A=1", "B=$(A)$$", "C=$(A)$$"}},
		{"references", []capsule.EnvVar{
			{Name: "A", Ref: capsule.RefCapsuleAddress, Value: "not me"}, {Name: "B", Ref: capsule.RefHostAddress},
			{Name: "C", Ref: capsule.RefCapsuleAddresses}, {Name: "D", Ref: capsule.RefHostAddresses},
			{Name: "URL", Value: "http://$(A)/"},
		}, []string{"A=10.0.0.2", "B=192.0.2.1", "C=10.0.0.2,fd00::2", "D=192.0.2.1", "URL=http://10.0.0.2/"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := good()
			s.app().Env = row.env
			if diff := cmp.Diff(row.want, s.must(t).Env); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

func TestUnknownReference(t *testing.T) {
	t.Parallel()
	s := good()
	s.app().Env = []capsule.EnvVar{{Name: "A", Ref: "capsule.moon", Sensitive: true, Value: "geheim"}}
	_, err := s.config()
	if !errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), `A: unknown reference "capsule.moon"`) ||
		strings.Contains(err.Error(), "geheim") {
		t.Errorf("error %v", err)
	}
}

func TestCommandAndArgsAreExpanded(t *testing.T) {
	t.Parallel()
	s := good()
	s.app().Env = env("A", "1")
	s.app().Command, s.app().Args = []string{"run-$(A)", "$(B)"}, []string{"$$(A)", "$(A)$(A)"}
	cfg := s.must(t)
	if diff := cmp.Diff([][]string{{"run-1", "$(B)"}, {"$(A)", "11"}}, [][]string{cfg.Command, cfg.Args}); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}
