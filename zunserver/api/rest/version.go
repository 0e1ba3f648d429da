package rest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Version is a microversion.
type Version struct{ Major, Minor int }

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// Before says whether v is older than o.
func (v Version) Before(o Version) bool {
	return v.Major < o.Major || v.Major == o.Major && v.Minor < o.Minor
}

// serviceTypes are the words for this service in the header.
var serviceTypes = []string{"container", "application-container", "container-experimental"}

// requested reads the header OpenStack-API-Version. Without one it is the lowest. Besides container it takes the service
// type application-container, which gophercloud's v2 releases send, and container-experimental of Zun's experimental endpoint.
func requested(h http.Header) (Version, error) {
	lines := h.Values("OpenStack-API-Version")
	if len(lines) == 0 {
		return MinVersion, nil
	}
	for _, one := range strings.Split(strings.Join(lines, ","), ",") {
		words := strings.Fields(strings.ToLower(one))
		if len(words) != 2 || !slices.Contains(serviceTypes, words[0]) {
			continue
		}
		v, ok := parseVersion(words[1])
		if !ok {
			return Version{}, unsupportedVersion("'%.32s' is not a microversion: X.Y or latest", words[1])
		}
		if v.Before(MinVersion) || MaxVersion.Before(v) {
			return Version{}, unsupportedVersion("Version %s was requested but the minor version is not supported by this "+
				"service. The supported version range is: [%s, %s].", v, MinVersion, MaxVersion)
		}
		return v, nil
	}
	return Version{}, unsupportedVersion("The header OpenStack-API-Version names no version of the service container: '%.64s'",
		strings.Join(lines, ","))
}

func parseVersion(word string) (v Version, ok bool) {
	if word == "latest" {
		return MaxVersion, true
	}
	major, minor, _ := strings.Cut(word, ".")
	var err1, err2 error
	v.Major, err1 = strconv.Atoi(major)
	v.Minor, err2 = strconv.Atoi(minor)
	return v, err1 == nil && err2 == nil && v.Major >= 0 && v.Minor >= 0
}

func unsupportedVersion(format string, args ...any) error {
	return Refuse(http.StatusNotAcceptable, "microversion-unsupported", "Requested microversion is unsupported: "+format, args...)
}
