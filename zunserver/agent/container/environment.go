package container

import (
	"fmt"
	"strings"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// environment returns NAME=value in the order of the spec, with references filled in and $(NAME) expanded, and the
// mapping that command and args are expanded with.
func environment(cs *capsule.ContainerSpec, refs map[capsule.Reference]string) (env []string, values map[string]string, err error) {
	values = make(map[string]string, len(cs.Env))
	at := make(map[string]int, len(cs.Env))
	for _, e := range cs.Env {
		v := e.Value
		switch {
		case e.Ref != "":
			ref, ok := refs[e.Ref]
			if !ok {
				return nil, nil, fmt.Errorf("environment variable %s: unknown reference %q", e.Name, e.Ref)
			}
			v = ref
		case !e.Literal:
			v = expand(v, values)
		}
		values[e.Name] = v
		if i, ok := at[e.Name]; ok { // the last one of a name counts
			env[i] = e.Name + "=" + v
			continue
		}
		at[e.Name] = len(env)
		env = append(env, e.Name+"="+v)
	}
	return env, values, nil
}

// expand replaces $(NAME) by the value of NAME; unknown names stay as they are, and $$ is one dollar (Kubernetes:
// core/v1 EnvVar.value).
func expand(s string, values map[string]string) string {
	if !strings.Contains(s, "$") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '$' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		switch s[i+1] {
		case '$':
			b.WriteByte('$')
			i++
		case '(':
			end := strings.IndexByte(s[i+2:], ')')
			if end < 0 {
				b.WriteByte('$')
				continue
			}
			name := s[i+2 : i+2+end]
			if v, ok := values[name]; ok {
				b.WriteString(v)
			} else {
				b.WriteString(s[i : i+3+end])
			}
			i += 2 + end
		default:
			b.WriteByte('$')
		}
	}
	return b.String()
}

// expandAll keeps nothing as nothing: an empty command is the image's.
func expandAll(in []string, values map[string]string) []string {
	if len(in) == 0 {
		return nil
	}
	out := make([]string, 0, len(in))
	for _, s := range in {
		out = append(out, expand(s, values))
	}
	return out
}
