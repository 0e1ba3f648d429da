package container

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// SubPath is the part of a volume that one volume mount of a container asks for.
type SubPath struct {
	// Index is that of the volume mount.
	Index int
	// Path is relative to the volume and has no ".."; "." is all of it.
	Path string
	// Recursive: read-only with all that is mounted below it.
	Recursive bool
}

// SubPaths are the subPaths of the container, and what it mounts recursively read-only, with subPathExpr filled in from its environment. The errors are in the
// kubelet's words (pkg/kubelet/kubelet_pods.go, makeMounts).
func SubPaths(cs *capsule.ContainerSpec, refs map[capsule.Reference]string) ([]SubPath, error) {
	var subs []SubPath
	for i, vm := range cs.VolumeMounts {
		sub := vm.SubPath
		if vm.SubPathExpr != "" {
			_, values, err := environment(cs, refs)
			if err != nil {
				return nil, err
			}
			if missing := without(vm.SubPathExpr, values); len(missing) > 0 {
				return nil, fmt.Errorf("missing value for %s", strings.Join(missing, ", "))
			}
			sub = expand(vm.SubPathExpr, values)
		}
		recursive := vm.RecursiveReadOnly != nil && *vm.RecursiveReadOnly == corev1.RecursiveReadOnlyEnabled
		switch {
		case sub == "" && !recursive:
			continue
		case sub == "":
			sub = "."
		case path.IsAbs(sub):
			return nil, fmt.Errorf("error SubPath `%s` must not be an absolute path", sub)
		case slices.Contains(strings.Split(sub, "/"), ".."):
			return nil, fmt.Errorf("unable to provision SubPath `%s`: must not contain '..'", sub)
		}
		subs = append(subs, SubPath{i, sub, recursive})
	}
	return subs, nil
}

// without returns the names in s, as $(NAME), that have no value, sorted.
func without(s string, values map[string]string) []string {
	var missing []string
	for i := 0; i+1 < len(s); i++ {
		switch {
		case s[i] != '$':
		case s[i+1] == '$':
			i++
		case s[i+1] == '(':
			name, _, ok := strings.Cut(s[i+2:], ")")
			if ok && values[name] == "" && !slices.Contains(missing, name) {
				missing = append(missing, name)
			}
		}
	}
	slices.Sort(missing)
	return missing
}
