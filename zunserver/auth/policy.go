package auth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	yaml "go.yaml.in/yaml/v3"
)

// Policy says who may do what. It does not change, and is safe for concurrent use; a nil one is the default.
type Policy struct {
	rules map[string]check
}

var defaultPolicy = func() *Policy {
	p, err := newPolicy(nil)
	if err != nil {
		panic(err) // the table is wrong, and every test sees it
	}
	return p
}()

// ReadPolicy is the default policy with the rules of a YAML or JSON document in its place: a map of actions ("container:start")
// and of names that rules refer to ("admin_or_owner") to rules in the syntax of oslo.policy. An action or a rule that does not
// exist, and what is not of the syntax, are named in an error of the class InvalidArgument.
func ReadPolicy(document []byte) (*Policy, error) {
	var own map[string]any
	if err := yaml.Unmarshal(document, &own); err != nil {
		return nil, fmt.Errorf("%w: %w", err, errdefs.ErrInvalidArgument)
	}
	texts := map[string]string{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(own)) {
		text, ok := own[name].(string)
		_, known := actions[Action(name)]
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("%s: the rule is no string; quote it", name))
		case strings.Contains(name, ":") && !known:
			errs = append(errs, fmt.Errorf("%s: there is no such action", name))
		}
		texts[name] = text
	}
	p, err := newPolicy(texts)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("%w: %w", err, errdefs.ErrInvalidArgument)
	}
	return p, nil
}

// newPolicy parses the default rules with own ones in their place.
func newPolicy(own map[string]string) (*Policy, error) {
	texts := maps.Clone(named)
	for action, rule := range actions {
		texts[string(action)] = rule
	}
	maps.Copy(texts, own)
	p := &Policy{rules: map[string]check{}}
	refers := map[string][]string{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		c, err := parseRule(texts[name], func(other string) (check, error) {
			if _, ok := texts[other]; !ok {
				return nil, fmt.Errorf("there is no rule %q", other)
			}
			refers[name] = append(refers[name], other)
			return func(id *Identity, project string) bool { return p.rules[other](id, project) }, nil
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: the rule %q: %w", name, texts[name], err))
		}
		p.rules[name] = c
	}
	for _, name := range slices.Sorted(maps.Keys(refers)) {
		if reaches(refers, name, name, map[string]bool{}) {
			errs = append(errs, fmt.Errorf("%s: the rule refers to itself", name))
		}
	}
	return p, errors.Join(errs...)
}

func reaches(refers map[string][]string, from, to string, seen map[string]bool) bool {
	seen[from] = true
	return slices.ContainsFunc(refers[from], func(next string) bool {
		return next == to || !seen[next] && reaches(refers, next, to, seen)
	})
}

func (p *Policy) allows(name string, id *Identity, project string) bool {
	if p == nil {
		p = defaultPolicy
	}
	c, ok := p.rules[name]
	if !ok {
		c = p.rules[contextIsAdmin]
	}
	return c(id, project)
}

// Allowed is nil when id may do action on something that project owns ("" when the action has no owner); otherwise its
// class is PermissionDenied. What decides is the policy that id came in under.
func Allowed(action Action, id Identity, project string) error {
	if project == "" && inOwnProject[action] {
		project = id.Project
	}
	if id.policy.allows(string(action), &id, project) {
		return nil
	}
	return fmt.Errorf("policy does not allow %s to be performed: %w", action, errdefs.ErrPermissionDenied)
}
