package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// keys lists every key of the configuration that one string can set, in the order of the struct: its path and its value.
func keys(c *Config) []key { return keysOf("", reflect.ValueOf(c).Elem()) }

type key struct {
	path  string
	value reflect.Value
}

func keysOf(prefix string, v reflect.Value) []key {
	var list []key
	for i := range v.NumField() {
		path := prefix + v.Type().Field(i).Tag.Get("yaml")
		if f := v.Field(i); f.Kind() == reflect.Struct {
			list = append(list, keysOf(path+".", f)...)
		} else {
			list = append(list, key{path, f})
		}
	}
	return list
}

// set parses s into the key's value.
func (k key) set(s string) error {
	switch p := k.value.Addr().Interface().(type) {
	case *string:
		*p = s
	case *bool:
		b, err := strconv.ParseBool(s)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", s)
		}
		*p = b
	case *int:
		n, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("%q is not a number", s)
		}
		*p = n
	case *int64:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", s)
		}
		*p = n
	case *[]string:
		*p = split(s)
	case *Addresses:
		*p = split(s)
	case *map[string]string:
		m := map[string]string{}
		for _, pair := range split(s) {
			name, value, ok := strings.Cut(pair, "=")
			if !ok {
				return fmt.Errorf("%q is not name=value", pair)
			}
			m[name] = value
		}
		*p = m
	case *[]Host:
		*p = nil
		for _, endpoint := range split(s) {
			*p = append(*p, Host{Endpoint: endpoint})
		}
	case *[]Notification:
		*p = nil
		for _, u := range split(s) {
			*p = append(*p, Notification{URL: u})
		}
	default:
		return fmt.Errorf("a %T cannot be set by a string", p)
	}
	return nil
}

// text is what set would parse into the same value.
func (k key) text() string {
	switch v := k.value.Interface().(type) {
	case []string:
		return strings.Join(v, ",")
	case Addresses:
		return strings.Join(v, ",")
	case map[string]string:
		var pairs []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			pairs = append(pairs, name+"="+v[name])
		}
		return strings.Join(pairs, ",")
	case []Host:
		var endpoints []string
		for _, h := range v {
			endpoints = append(endpoints, h.Endpoint)
		}
		return strings.Join(endpoints, ",")
	default:
		return fmt.Sprint(v)
	}
}

func split(s string) []string {
	var list []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// word finds where a camelCase name goes on with another word: fooBar, CAFile.
var word = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`)

// variable is the environment variable of the key.
func (k key) variable() string {
	name := word.ReplaceAllString(strings.ReplaceAll(k.path, ".", "_"), "${1}${3}_${2}${4}")
	return "CAPSULET_" + strings.ToUpper(name)
}
