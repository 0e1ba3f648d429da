package support

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/capsulet/capsulet/test/golden"
)

const supportDoc = "../../docs/pod-support.md"

// TestSupportDoc keeps the table that users read equal to the one that the code goes by. Write it anew with -update.
func TestSupportDoc(t *testing.T) {
	want := support()
	if *golden.Update {
		if err := os.WriteFile(supportDoc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(supportDoc)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the code says: go test ./translate/support -run TestSupportDoc -update", supportDoc)
	}
}

func support() string {
	var b strings.Builder
	b.WriteString(`# What a Pod may ask of a capsule node

Written by ` + "`make golden`" + ` from the table that the translation goes by (translate/support); do not edit. A field of Kubernetes'
API that is not in it fails the build.

- **supported**: it does what it does on a kubelet.
- **refused**: a Pod that sets it fails at once, with the reason below in its status and in an event that names the field.
- **supported in part**: some values are refused, the reason says which.
- **ignored**: it has no effect here, because of the reason below.
`)
	last := ""
	for _, f := range Fields() {
		if f.Type != last {
			fmt.Fprintf(&b, "\n## %s\n\n| field | | why |\n|---|---|---|\n", f.Type)
			last = f.Type
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, f.Verdict, f.Why)
	}
	return b.String()
}
