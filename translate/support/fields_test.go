package support

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

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
