package auth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
)

// TestRules: what the syntax of oslo.policy says of three callers, acting on something of project p.
func TestRules(t *testing.T) {
	ids := []Identity{
		{User: "u", Project: "p", Roles: []string{"member"}},
		{User: "v", Project: "q", Roles: []string{"Reader", "auditor"}},
		{User: "admin", Project: "admin", Admin: true},
	}
	for rule, want := range map[string]string{
		"":                                      "yes yes yes",
		"@":                                     "yes yes yes",
		"!":                                     "no no no",
		"role:reader":                           "no yes no",
		"not role:reader":                       "yes no yes",
		"project_id:%(project_id)s":             "yes no no",
		"(project_id:%(project_id)s)":           "yes no no",
		"project_id:q":                          "no yes no",
		"user_id:v":                             "no yes no",
		"is_admin:True":                         "no no yes",
		"is_admin:False":                        "yes yes no",
		"rule:admin_or_owner":                   "yes no yes",
		"rule:context_is_admin":                 "no no yes",
		"rule:deny_everybody":                   "no no no",
		"rule:mine":                             "no yes no",
		"role:member or role:auditor":           "yes yes no",
		"role:reader AND role:auditor":          "no yes no",
		"role:member and role:auditor":          "no no no",
		"! or role:member":                      "yes no no",
		"@ and not role:member":                 "no yes yes",
		"not not role:member":                   "yes no no",
		"role:a or role:b and role:c":           "no no no",
		"role:member or @ and !":                "yes no no",
		"(role:member or @) and !":              "no no no",
		"not (role:member or role:x)":           "no yes yes",
		"( ( role:member ) or (user_id:admin))": "yes no yes",
	} {
		p, err := ReadPolicy([]byte(`{"container:start": "` + rule + `", "mine": "role:auditor"}`))
		if err != nil {
			t.Errorf("%q: %v", rule, err)
			continue
		}
		var got []string
		for _, id := range ids {
			id.policy = p
			word := "no"
			if Allowed("container:start", id, "p") == nil {
				word = "yes"
			}
			got = append(got, word)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v, want %s", rule, got, want)
		}
	}
}

func TestBadPolicies(t *testing.T) {
	for document, want := range map[string]string{
		`"container:fly": "@"`:                               `container:fly: there is no such action`,
		`"container:start": "rule:nobody_knows"`:             `container:start: the rule "rule:nobody_knows": there is no rule "nobody_knows"`,
		`"container:start": "admin"`:                         `"admin" is no check`,
		`"container:start": "role:"`:                         `"role:" is no check`,
		`"container:start": "tenant:%(tenant)s"`:             `the check "tenant:%(tenant)s" is not known here`,
		`"container:start": "user_id:%(user_id)s"`:           `the check "user_id:%(user_id)s" is not known here`,
		`"container:start": "http://policy/%(name)s"`:        `the check "http://policy/%(name)s" is not known here`,
		`"container:start": "role:a or"`:                     `it ends where a check should be`,
		`"container:start": "or role:a"`:                     `"or" is no check`,
		`"container:start": "role:a role:b"`:                 `"role:b" stands where the rule should end`,
		`"container:start": "(role:a"`:                       `a parenthesis is not closed`,
		`"container:start": "role:a)"`:                       `")" stands where the rule should end`,
		`"container:start": "()"`:                            `")" is no check`,
		`"container:start": not`:                             `it ends where a check should be`,
		`"container:start": [["rule:admin_or_owner"]]`:       `container:start: the rule is no string`,
		`"container:start": !`:                               `container:start: the rule is no string; quote it`,
		"a: rule:b\nb: rule:a":                               `a: the rule refers to itself`,
		"admin_or_owner: not rule:admin_or_owner":            `admin_or_owner: the rule refers to itself`,
		"\"container:start\": '@'\n\"container:start\": '!'": `already defined`,
		`- x`: `cannot unmarshal`,
	} {
		if _, err := ReadPolicy([]byte(document)); !errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got  %v\n want %s", document, err, want)
		}
	}
	if p, err := ReadPolicy([]byte("# nothing\n")); err != nil || Allowed(CapsuleGet, Identity{Project: "p", policy: p}, "p") != nil {
		t.Errorf("an empty file is the default policy: %v", err)
	}
}

// TestZunsPolicy: what oslopolicy-sample-generator writes for Zun can be taken over.
func TestZunsPolicy(t *testing.T) {
	p, err := ReadPolicy([]byte(`
#"context_is_admin": "role:admin"
"context_is_admin": "role:cloud_admin"
"admin_or_owner": "is_admin:True or project_id:%(project_id)s"
"admin_api": "rule:context_is_admin"
"deny_everybody": "!"
"container:create:privileged": "rule:deny_everybody"
"zun-service:get_all": "rule:admin_api"
"network:create": "role:admin"
`))
	if err != nil {
		t.Fatal(err)
	}
	as := func(id Identity) Identity {
		got, err := Under(func() *Policy { return p }, fixed{id}).Authenticate(httptest.NewRequest(http.MethodGet, "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	cloud, old := as(Identity{User: "c", Project: "p", Roles: []string{"cloud_admin"}}), as(Identity{User: "o", Project: "p", Roles: []string{"admin"}})
	if !cloud.Admin || old.Admin || !as(Administrator()).Admin {
		t.Errorf("administrators: %v %v", cloud, old)
	}
	for action, want := range map[Action][2]bool{
		"zun-service:get_all": {true, false}, "network:create": {false, true}, "container:create:privileged": {false, false}, "container:stop": {true, false},
	} {
		if got := [2]bool{Allowed(action, cloud, "q") == nil, Allowed(action, old, "q") == nil}; got != want {
			t.Errorf("%s: %v, want %v", action, got, want)
		}
	}
	if Allowed("container:create:privileged", as(Administrator()), "") == nil {
		t.Error("what is denied to everybody is allowed to the administrator")
	}
}

// TestDefaultPolicy: the role admin is the administrator without a file, too.
func TestDefaultPolicy(t *testing.T) {
	id, err := Under(nil, fixed{Identity{User: "a", Project: "p", Roles: []string{"admin"}}}).Authenticate(nil)
	if err != nil || !id.Admin || Allowed("container:create:privileged", id, "p") != nil {
		t.Errorf("%+v, %v", id, err)
	}
	if Allowed("container:create:privileged", Identity{Project: "p"}, "p") == nil {
		t.Error("everybody may have a privileged container")
	}
	for action := range actions {
		if Allowed(action, Identity{User: "x"}, "") == nil && action != "" {
			t.Errorf("%s: somebody without a project may", action)
		}
	}
}

// fixed knows everybody as the same.
type fixed struct{ id Identity }

func (f fixed) Authenticate(*http.Request) (Identity, error) { return f.id, nil }

type failing struct{ error }

func (f failing) Authenticate(*http.Request) (Identity, error) { return Identity{}, f.error }

func TestAnyOf(t *testing.T) {
	known, stranger, away := fixed{Identity{User: "u"}}, failing{errdefs.ErrUnauthenticated}, failing{errdefs.ErrUnavailable}
	for _, tc := range []struct {
		name string
		of   AnyOf
		want error
	}{
		{"nobody asked", nil, errdefs.ErrUnauthenticated},
		{"known", AnyOf{stranger, away, known}, nil},
		{"stranger to all", AnyOf{stranger, stranger}, errdefs.ErrUnauthenticated},
		{"one could not find out", AnyOf{stranger, away}, errdefs.ErrUnavailable},
		{"the other way round", AnyOf{away, stranger}, errdefs.ErrUnavailable},
	} {
		id, err := tc.of.Authenticate(nil)
		if tc.want == nil && (err != nil || id.User != "u") || tc.want != nil && (err == nil || !strings.Contains(err.Error(), tc.want.Error()) || id.User != "") {
			t.Errorf("%s: %+v, %v", tc.name, id, err)
		}
	}
}

func TestTrusted(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Auth-Token", "notused")
	if _, err := (Trusted{}).Authenticate(r); !errdefs.IsUnauthorized(err) {
		t.Errorf("any listener: %v", err)
	}
	if id, err := (Trusted{}).Authenticate(r.WithContext(Trust(r.Context(), Administrator()))); err != nil || !id.Admin {
		t.Errorf("its listener: %+v, %v", id, err)
	}
}
