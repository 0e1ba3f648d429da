package api_test

import (
	"net/http"
	"testing"
)

func TestStats(t *testing.T) {
	w := newWorld(t)
	const native = "application/vnd.capsulet+json"
	own := w.get(http.StatusAccepted, "POST", "/v1/capsules", named("mine"))["uuid"]
	w.get(http.StatusAccepted, "POST", "/v1/capsules", named("theirs"), "X-Auth-Token", otherToken)
	got := w.get(http.StatusOK, "GET", "/v1/capsules/stats", "", "Accept", native)
	list := got["capsules"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["uuid"] != own || got["hosts"] != nil || got["incomplete"] != nil {
		t.Errorf("the user sees %v, want the own capsule %v and no host", got, own)
	}
	got = w.get(http.StatusOK, "GET", "/v1/capsules/stats?all_projects=true", "", "Accept", native, "X-Auth-Token", adminToken)
	if len(got["capsules"].([]any)) != 2 || got["hosts"] == nil || got["incomplete"] == nil {
		t.Errorf("the administrator sees %v, want both capsules and the hosts", got)
	}
	w.get(http.StatusForbidden, "GET", "/v1/capsules/stats?all_projects=true", "", "Accept", native)
	w.get(http.StatusUnauthorized, "GET", "/v1/capsules/stats", "", "Accept", native, "X-Auth-Token", "wrong")
	w.get(http.StatusNotFound, "GET", "/v1/capsules/stats", "") // to Zun's clients a name like any other
}
