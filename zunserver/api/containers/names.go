package containers

import (
	"strconv"
	"strings"
	"syscall"

	"github.com/distribution/reference"
	"golang.org/x/sys/unix"

	"github.com/capsulet/capsulet/zunserver/api/rest"
)

// signalOf is the whole name of a signal that is given by its name, with SIG or without, or by its number, as Zun takes it; SIGKILL
// for none.
func signalOf(word string) (string, bool) {
	if word == "" {
		return "SIGKILL", true
	}
	if n, err := strconv.Atoi(word); err == nil {
		name := unix.SignalName(syscall.Signal(n))
		return name, name != ""
	}
	name := "SIG" + strings.TrimPrefix(strings.ToUpper(word), "SIG")
	return name, unix.SignalNum(name) != 0
}

// imageName is the repository and the tag of an image that is to be made, as an engine calls it.
func imageName(repository, tag string) (string, string, error) {
	named, err := reference.ParseNormalizedNamed(repository)
	if err != nil || !reference.IsNameOnly(named) {
		return "", "", rest.InvalidField("repository", "Value: '%.255s'. It is not the name of an image without its tag", repository)
	}
	if tag == "" {
		tag = "latest"
	}
	if _, err := reference.WithTag(named, tag); err != nil {
		return "", "", rest.InvalidField("tag", "Value: '%.128s'. It is no tag", tag)
	}
	return reference.FamiliarName(named), tag, nil
}

// domain says whether the name of an image has that of a registry.
func domain(image string) bool {
	first, _, more := strings.Cut(image, "/")
	return more && (strings.ContainsAny(first, ".:") || first == "localhost")
}
