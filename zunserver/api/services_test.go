package api_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

func TestServices(t *testing.T) {
	w := newResourceful(t)
	at := time.Date(2026, 11, 26, 1, 2, 3, 456789000, time.UTC)
	w.hosts = []capsule.Host{{Name: "h1", Up: true, SeenAt: at, Reports: 7}, {Name: "h2", AvailabilityZone: "east", Reason: "dead"}}
	w.services.all["gone"] = capsule.Service{Host: "gone", CreatedAt: at, Zone: "west"}
	list := func() map[string]any { return w.get(200, "GET", "/v1/services", "", at140(adminToken)...) }
	all := list()
	for i, want := range []string{"gone down west", "h1 up nova", "h2 down east"} {
		s := item(all, "services", i)
		if got := fmt.Sprintf("%v %v %v", s["host"], s["state"], s["availability_zone"]); got != want || s["binary"] != "zun-compute" || s["disabled"] != false {
			t.Errorf("service %v, want %s", s, want)
		}
	}
	if s := item(all, "services", 1); s["last_seen_up"] != "2026-11-26T01:02:03.456789" || s["report_count"] != 7.0 || s["disabled_reason"] != nil {
		t.Errorf("%v", s)
	}
	if _, paged := all["next"]; paged {
		t.Error("services have pages")
	}
	const of = "?host=h1&binary=zun-compute"
	put := func(path string) map[string]any {
		t.Helper()
		return w.get(200, "PUT", path, "", at140(adminToken)...)["service"].(map[string]any)
	}
	if got := put("/v1/services/disable" + of + "&disabled_reason=new+disks"); got["disabled"] != true || got["disabled_reason"] != "new disks" || got["host"] != "h1" {
		t.Errorf("%v", got)
	}
	if s := item(list(), "services", 1); s["disabled"] != true || s["disabled_reason"] != "new disks" || s["state"] != "up" || s["updated_at"] == nil {
		t.Errorf("%v", s)
	}
	if got := put("/v1/services/enable" + of); got["disabled"] != false || got["disabled_reason"] != nil {
		t.Errorf("%v", got)
	}
	if got := put("/v1/services/force_down" + of + "&forced_down=True"); got["forced_down"] != true {
		t.Errorf("%v", got)
	}
	if s := item(list(), "services", 1); s["forced_down"] != true || s["state"] != "down" {
		t.Errorf("%v", s)
	}
	put("/v1/services/force_down" + of + "&forced_down=False")
	w.get(204, "DELETE", "/v1/services?host=gone&binary=zun-compute", "", at140(adminToken)...)
	if n := len(list()["services"].([]any)); n != 2 {
		t.Errorf("%d services", n)
	}
	w.refused(404, "zun-service-not-found", "Zun service zun-compute on host gone could not be found.", "DELETE",
		"/v1/services?host=gone&binary=zun-compute", "", adminToken)
	w.refused(404, "zun-service-not-found", "zun-api", "PUT", "/v1/services/enable?host=h1&binary=zun-api", "", adminToken)
	w.refused(400, "schema-validation-error", "'binary'", "PUT", "/v1/services/enable?host=h1", "", adminToken)
	w.refused(400, "schema-validation-error", "colour", "PUT", "/v1/services/enable"+of+"&colour=red", "", adminToken)
	w.refused(400, "schema-validation-error", "'forced_down'", "PUT", "/v1/services/force_down"+of, "", adminToken)
	w.refused(403, "policy-not-authorized", "zun-service:get_all", "GET", "/v1/services", "", userToken)

	if got := w.get(200, "GET", "/v1/availability_zones", "", at140(userToken)...); item(got, "availability_zones", 0)["availability_zone"] != "east" ||
		item(got, "availability_zones", 1)["availability_zone"] != "nova" || got["next"] != nil {
		t.Errorf("%v", got)
	}
}
