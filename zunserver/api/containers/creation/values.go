package creation

import (
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/kballard/go-shellquote"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Number reads a number that may come as a string; ok is false when it is not given.
func Number(field string, v any, low, high float64) (n float64, ok bool, err error) {
	switch v := v.(type) {
	case nil:
		return 0, false, nil
	case float64:
		n = v
	case string:
		if n, err = strconv.ParseFloat(v, 64); err != nil || strings.ContainsAny(v, "eExXpP_+-InN") {
			return 0, false, rest.InvalidField(field, "Value: '%.64s'. '%.64s' is not a number", v, v)
		}
	default:
		return 0, false, rest.InvalidField(field, "Value: '%.64v'. It is not of type 'number', 'string'", v)
	}
	switch {
	case n < low:
		return 0, false, rest.InvalidField(field, "Value: '%v'. %v is less than the minimum of %v", n, n, low)
	case n > high:
		return 0, false, rest.InvalidField(field, "Value: '%v'. %v is greater than the maximum of %v", n, n, high)
	}
	return n, true, nil
}

// Whole reads a whole number; see Number.
func Whole(field string, v any, low, high float64) (int64, bool, error) {
	n, ok, err := Number(field, v, low, high)
	if ok && n != math.Trunc(n) {
		return 0, false, rest.InvalidField(field, "Value: '%v'. %v is not of type 'integer'", n, n)
	}
	return int64(n), ok, err
}

// Truth reads a boolean that may come as a word; given is false when it is not there.
func Truth(field string, v any) (is, given bool, err error) {
	switch v := v.(type) {
	case nil:
		return false, false, nil
	case bool:
		return v, true, nil
	case string:
		switch strings.ToLower(v) {
		case "true", "1", "on", "yes":
			return true, true, nil
		case "false", "0", "off", "no":
			return false, true, nil
		}
	}
	return false, false, rest.InvalidField(field, "Value: '%.64v'. It is not one of True, False", v)
}

// Words reads a command: a list, or a string that is split as a shell would.
func Words(field string, v any) ([]string, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		words, err := shellquote.Split(v)
		if err != nil {
			return nil, rest.InvalidField(field, "It cannot be split into words: %s", err)
		}
		return words, nil
	case []any:
		words := make([]string, 0, len(v))
		for _, one := range v {
			word, ok := one.(string)
			if !ok || strings.Contains(word, "\x00") {
				return nil, rest.InvalidField(field, "'%.64v' is not of type 'string'", one)
			}
			words = append(words, word)
		}
		return words, nil
	default:
		return nil, rest.InvalidField(field, "It is not of type 'array'")
	}
}

// text is what p says, or nothing.
func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// Nets are networks as a record has them, not looked up yet; a port is refused, as there are none before their containers.
func Nets(list []Net) (nets []capsule.Net, err error) {
	for _, n := range list {
		if (n.Port == "") == (n.Network == "") {
			return nil, rest.InvalidField("nets", "Either a network or a port is needed")
		}
		if n.Port != "" {
			return nil, rest.Refuse(http.StatusNotFound, "port-not-found", "Neutron port %.255s could not be found.", n.Port)
		}
		nets = append(nets, capsule.Net{Network: n.Network, IPv4: n.V4, IPv6: n.V6})
	}
	return nets, nil
}
