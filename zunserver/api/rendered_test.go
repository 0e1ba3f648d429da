package api_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
)

// TestListsAreToldApart: what one caller was shown a moment ago is not what another one gets.
func TestListsAreToldApart(t *testing.T) {
	w := newWorld(t)
	w.get(202, "POST", "/v1/capsules", small, "OpenStack-API-Version", "container 1.40")
	for range 2 { // the second time from what is kept
		for _, row := range []struct {
			what   string
			all    string
			header []string
			has    string
			hasNot string
		}{
			{"a user", "", []string{"OpenStack-API-Version", "container 1.40"}, `"restart_policy":{`, `"host"`},
			{"an administrator", "1", []string{"OpenStack-API-Version", "container 1.40", "X-Auth-Token", adminToken}, `"host":null`, `"meta_name"`},
			{"an old client", "", []string{"OpenStack-API-Version", "container 1.31"}, `"meta_name":"web"`, `"host"`},
			{"a native client", "", []string{"Accept", nativeType}, `"spec":{`, `"links"`},
		} {
			text, err := io.ReadAll(w.do("GET", "/v1/capsules?all_projects="+row.all, "", row.header...).Body)
			body := string(text)
			if err != nil || !json.Valid(text) || !strings.Contains(body, row.has) || strings.Contains(body, row.hasNot) {
				t.Errorf("%s gets %s", row.what, body)
			}
		}
	}
}
