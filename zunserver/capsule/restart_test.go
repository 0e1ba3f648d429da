package capsule

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestRestarts(t *testing.T) {
	never, onFailure, always := corev1.ContainerRestartPolicyNever, corev1.ContainerRestartPolicyOnFailure, corev1.ContainerRestartPolicyAlways
	rule := func(op corev1.ContainerRestartRuleOnExitCodesOperator, codes ...int32) corev1.ContainerRestartRule {
		return corev1.ContainerRestartRule{Action: corev1.ContainerRestartRuleActionRestart,
			ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{Operator: op, Values: codes}}
	}
	const in, notIn = corev1.ContainerRestartRuleOnExitCodesOpIn, corev1.ContainerRestartRuleOnExitCodesOpNotIn
	for _, row := range []struct {
		name   string
		policy RestartPolicy
		own    *corev1.ContainerRestartPolicy
		rules  []corev1.ContainerRestartRule
		init   bool
		code   int
		want   bool
	}{
		{"always", RestartAlways, nil, nil, false, 0, true},
		{"never", RestartNever, nil, nil, false, 1, false},
		{"on failure, good", RestartOnFailure, nil, nil, false, 0, false},
		{"on failure, bad", RestartOnFailure, nil, nil, false, 1, true},
		{"an init container is not run again for nothing", RestartAlways, nil, nil, true, 0, false},
		{"its own policy wins", RestartAlways, &never, nil, false, 1, false},
		{"its own policy wins the other way", RestartNever, &onFailure, nil, false, 1, true},
		{"a sidecar", RestartNever, &always, nil, true, 0, true},
		{"a rule matches", RestartNever, &never, []corev1.ContainerRestartRule{rule(in, 42)}, false, 42, true},
		{"no rule matches", RestartNever, &never, []corev1.ContainerRestartRule{rule(in, 42)}, false, 1, false},
		{"a rule that excludes matches", RestartNever, &never, []corev1.ContainerRestartRule{rule(notIn, 0, 1)}, false, 2, true},
		{"a rule that excludes does not", RestartNever, &never, []corev1.ContainerRestartRule{rule(notIn, 0, 1)}, false, 1, false},
		{"the second rule matches", RestartNever, &never, []corev1.ContainerRestartRule{rule(in, 1), rule(in, 2)}, false, 2, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := Spec{RestartPolicy: row.policy}
			cs := ContainerSpec{Name: "a", RestartPolicy: row.own, RestartPolicyRules: row.rules}
			if got := s.Restarts(&cs, row.init, row.code); got != row.want {
				t.Errorf("got %v", got)
			}
		})
	}
	s := Spec{RestartPolicy: RestartAlways, EphemeralContainers: []ContainerSpec{{Name: "debug"}}}
	if s.Restarts(&s.EphemeralContainers[0], false, 1) {
		t.Error("an ephemeral container runs again")
	}
}

// What ended for another definition is made again, whatever the policy says; an exit of its own is not.
func TestAgain(t *testing.T) {
	s := Spec{RestartPolicy: RestartNever}
	cs := ContainerSpec{Name: "a"}
	for _, row := range []struct {
		stopping *Stopping
		want     bool
	}{{nil, false}, {&Stopping{Reason: "unhealthy"}, false}, {&Stopping{Redefined: true}, true}} {
		if got := s.Again(&cs, false, &Run{ExitCode: 1, Stopping: row.stopping}); got != row.want {
			t.Errorf("%+v: %v", row.stopping, got)
		}
	}
}
