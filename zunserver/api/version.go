package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// version is a microversion.
type version struct{ major, minor int }

// The microversions that are served: all of Zun's (zun/api/controllers/versions.py).
var (
	minVersion = version{1, 1}
	maxVersion = version{1, 40}
)

func (v version) String() string { return fmt.Sprintf("%d.%d", v.major, v.minor) }

func (v version) before(o version) bool {
	return v.major < o.major || v.major == o.major && v.minor < o.minor
}

// requested reads the header OpenStack-API-Version. Without one it is the lowest. Besides container it takes the service
// type application-container, which gophercloud's v2 releases send.
func requested(h http.Header) (version, error) {
	lines := h.Values("OpenStack-API-Version")
	if len(lines) == 0 {
		return minVersion, nil
	}
	for _, one := range strings.Split(strings.Join(lines, ","), ",") {
		words := strings.Fields(strings.ToLower(one))
		if len(words) != 2 || words[0] != "container" && words[0] != "application-container" {
			continue
		}
		v, ok := parseVersion(words[1])
		if !ok {
			return version{}, unsupportedVersion("'%.32s' is not a microversion: X.Y or latest", words[1])
		}
		if v.before(minVersion) || maxVersion.before(v) {
			return version{}, unsupportedVersion("Version %s was requested but the minor version is not supported by this "+
				"service. The supported version range is: [%s, %s].", v, minVersion, maxVersion)
		}
		return v, nil
	}
	return version{}, unsupportedVersion("The header OpenStack-API-Version names no version of the service container: '%.64s'",
		strings.Join(lines, ","))
}

func parseVersion(word string) (v version, ok bool) {
	if word == "latest" {
		return maxVersion, true
	}
	major, minor, _ := strings.Cut(word, ".")
	var err1, err2 error
	v.major, err1 = strconv.Atoi(major)
	v.minor, err2 = strconv.Atoi(minor)
	return v, err1 == nil && err2 == nil && v.major >= 0 && v.minor >= 0
}

func unsupportedVersion(format string, args ...any) error {
	return &refusal{
		status: http.StatusNotAcceptable, code: "microversion-unsupported",
		message: "Requested microversion is unsupported: " + fmt.Sprintf(format, args...),
	}
}
