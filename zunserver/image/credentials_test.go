package image_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/capsulet/capsulet/zunserver/capsule"
	"github.com/capsulet/capsulet/zunserver/image"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
)

func TestCredentialsAreTriedInTurn(t *testing.T) {
	t.Parallel()
	h := fake.New(fake.Config{Instance: instance})
	h.Add(fake.Image{Ref: "private/app:1", Remote: true, Username: "u", Password: "p"})
	right, wrong := capsule.Credential{Username: "u", Password: "p"}, capsule.Credential{Username: "x", Password: "hidden"}
	for _, row := range []struct {
		name  string
		given []capsule.Credential
		ok    bool
	}{
		{"none", nil, false},
		{"the wrong one", []capsule.Credential{wrong}, false},
		{"the wrong one first", []capsule.Credential{wrong, right}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			var told []capsule.Pull
			_, err := image.NewPuller(h).Ensure(t.Context(), image.Request{Ref: "private/app:1", Policy: corev1.PullAlways,
				Credentials: row.given, Tell: func(p capsule.Pull) { told = append(told, p) }})
			if (err == nil) != row.ok || err != nil && strings.Contains(err.Error(), "hidden") {
				t.Errorf("error %v", err)
			}
			if row.ok && (len(told) != 2 || told[0].Present || !told[0].FinishedAt.IsZero() || told[1].FinishedAt.IsZero()) {
				t.Errorf("told %+v", told)
			}
		})
	}
}
