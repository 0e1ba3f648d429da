package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// check says whether a rule lets id act on something that project owns.
type check func(id *Identity, project string) bool

func nobody(*Identity, string) bool    { return false }
func everybody(*Identity, string) bool { return true }

// grammar parses rules in the syntax of oslo.policy (oslo_policy/_parser.py):
//
//	rule  = "" | any                      "" is everybody who is authenticated
//	any   = all { "or" all }
//	all   = one { "and" one }
//	one   = "not" one | "(" any ")" | "@" | "!" | kind:match
//
// and of the checks what can be known here: rule:<name>, role:<name>, is_admin:True|False, user_id:<ID>, project_id:<ID> and
// project_id:%(project_id)s, which is the owner of what is acted on. Everything else is an error that names it.
type grammar struct {
	words []string
	// refer looks another rule up; it is called while parsing, and what it returns only after all rules are parsed.
	refer func(name string) (check, error)
}

func parseRule(text string, refer func(string) (check, error)) (check, error) {
	g := grammar{words: wordsOf(text), refer: refer}
	if len(g.words) == 0 {
		return everybody, nil
	}
	c, err := g.any()
	if err == nil && len(g.words) > 0 {
		err = fmt.Errorf("%q stands where the rule should end", g.words[0])
	}
	return c, err
}

// wordsOf splits at white space and around parentheses, but not those of %(project_id)s.
func wordsOf(text string) []string {
	var words []string
	for _, field := range strings.Fields(text) {
		for strings.HasPrefix(field, "(") {
			words, field = append(words, "("), field[1:]
		}
		closing := len(field) - len(strings.TrimRight(field, ")"))
		if word := field[:len(field)-closing]; word != "" {
			words = append(words, word)
		}
		words = append(words, slices.Repeat([]string{")"}, closing)...)
	}
	return words
}

// next takes the word if it is the next one; operators have no case.
func (g *grammar) next(word string) bool {
	if len(g.words) == 0 || !strings.EqualFold(g.words[0], word) {
		return false
	}
	g.words = g.words[1:]
	return true
}

func (g *grammar) any() (check, error) {
	left, err := g.all()
	for err == nil && g.next("or") {
		var right check
		if right, err = g.all(); err == nil {
			a := left
			left = func(id *Identity, project string) bool { return a(id, project) || right(id, project) }
		}
	}
	return left, err
}

func (g *grammar) all() (check, error) {
	left, err := g.one()
	for err == nil && g.next("and") {
		var right check
		if right, err = g.one(); err == nil {
			a := left
			left = func(id *Identity, project string) bool { return a(id, project) && right(id, project) }
		}
	}
	return left, err
}

func (g *grammar) one() (check, error) {
	switch {
	case len(g.words) == 0:
		return nil, errors.New("it ends where a check should be")
	case g.next("not"):
		c, err := g.one()
		return func(id *Identity, project string) bool { return !c(id, project) }, err
	case g.next("("):
		c, err := g.any()
		if err == nil && !g.next(")") {
			err = errors.New("a parenthesis is not closed")
		}
		return c, err
	case g.next("@"):
		return everybody, nil
	case g.next("!"):
		return nobody, nil
	}
	word := g.words[0]
	g.words = g.words[1:]
	return g.leaf(word)
}

func (g *grammar) leaf(word string) (check, error) {
	kind, match, ok := strings.Cut(word, ":")
	if !ok || match == "" {
		return nil, fmt.Errorf("%q is no check, such as role:admin", word)
	}
	variable := strings.Contains(match, "%(")
	switch {
	case kind == "rule":
		return g.refer(match)
	case kind == "project_id" && match == "%(project_id)s":
		return func(id *Identity, project string) bool { return project != "" && id.Project == project }, nil
	case kind == "project_id" && !variable:
		return func(id *Identity, _ string) bool { return id.Project == match }, nil
	case kind == "user_id" && !variable:
		return func(id *Identity, _ string) bool { return id.User == match }, nil
	case kind == "role" && !variable:
		return func(id *Identity, _ string) bool { return id.has(match) }, nil
	case kind == "is_admin" && (strings.EqualFold(match, "true") || strings.EqualFold(match, "false")):
		want := strings.EqualFold(match, "true")
		return func(id *Identity, _ string) bool { return id.Admin == want }, nil
	}
	return nil, fmt.Errorf("the check %q is not known here: there are rule:, role:, user_id:, project_id:, project_id:%%(project_id)s, "+
		"is_admin:True, @ and !", word)
}
