package api_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestQuotas(t *testing.T) {
	w := newResourceful(t)
	limits := func(got map[string]any) string {
		return fmt.Sprintf("%v %v %v %v", got["containers"], got["memory"], got["cpu"], got["disk"])
	}
	expect := func(want, method, path, body, token string) {
		t.Helper()
		if got := limits(w.get(200, method, path, body, at140(token)...)); got != want {
			t.Errorf("%s %s %s: %s, want %s", method, path, body, got, want)
		}
	}
	expect("5 1024 2 -1", "GET", "/v1/quotas/p1", "", userToken)
	expect("5 1024 2 -1", "GET", "/v1/quotas/p1/defaults", "", userToken)
	expect("-1 -1 -1 -1", "GET", "/v1/quotas/admin", "", adminToken)
	expect("3 1024 2 -1", "PUT", "/v1/quotas/p1", `{"containers":3}`, adminToken)
	expect("3 1024 4 9", "PUT", "/v1/quotas/p1", `{"cpu":"4","disk":9}`, adminToken)
	expect("5 2048 2 -1", "PUT", "/v1/quota_classes/default", `{"memory":2048}`, adminToken)
	expect("3 2048 4 9", "GET", "/v1/quotas/p1", "", userToken)
	expect("5 2048 2 -1", "GET", "/v1/quotas/p2", "", otherToken)
	expect("5 1024 2 -1", "GET", "/v1/quota_classes/other", "", adminToken)
	w.get(202, "POST", "/v1/capsules", strings.Replace(small, `"image":"web:1"`, `"image":"web:1","resources":{"requests":{"cpu":0.5,"memory":64}}`, 1))
	got := w.get(200, "GET", "/v1/quotas/p1?usages=True", "", at140(userToken)...)
	for name, want := range map[string]string{"containers": "1 of 3", "memory": "64 of 2048", "cpu": "0.5 of 4", "disk": "0 of 9"} {
		if u := got[name].(map[string]any); fmt.Sprintf("%v of %v", u["in_use"], u["limit"]) != want {
			t.Errorf("%s: %v, want %s", name, u, want)
		}
	}
	w.get(204, "DELETE", "/v1/quotas/p1", "", at140(adminToken)...)
	w.get(204, "DELETE", "/v1/quotas/p1", "", at140(adminToken)...)
	expect("5 2048 2 -1", "GET", "/v1/quotas/p1", "", userToken)

	w.refused(403, "policy-not-authorized", "quota:get", "GET", "/v1/quotas/p2", "", userToken)
	w.refused(403, "policy-not-authorized", "quota:update", "PUT", "/v1/quotas/p1", `{"cpu":9}`, userToken)
	w.refused(403, "policy-not-authorized", "quota_class:get", "GET", "/v1/quota_classes/default", "", userToken)
	for _, body := range []string{`{"cpu":-2}`, `{"cpu":1.5}`, `{"cpu":"many"}`, `{"cpu":[1]}`} {
		w.refused(400, "invalid-value", "not an integer from -1 on", "PUT", "/v1/quotas/p1", body, adminToken)
	}
	w.refused(400, "schema-validation-error", "moons", "PUT", "/v1/quotas/p1", `{"moons":1}`, adminToken)
	w.refused(400, "invalid-value", "not a boolean", "GET", "/v1/quotas/p1?usages=maybe", "", userToken)
}

func TestQuotasAreKept(t *testing.T) {
	w := newResourceful(t)
	sized := func(name, resources string) string {
		return strings.Replace(named(name), `"image":"web:1"`, `"image":"web:1","resources":`+resources, 1)
	}
	for _, row := range []struct{ resources, over string }{
		{`{"requests":{"cpu":"3"}}`, "cpu"},
		{`{"requests":{"memory":"2Gi"}}`, "memory"},
		{`{"requests":{"cpu":"3","memory":"2Gi"}}`, "cpu, memory"},
	} {
		w.refused(403, "over-quota", "Quota exceeded for resources: "+row.over, "POST", "/v1/capsules", sized("big", row.resources), userToken)
	}
	// Of many at once as many pass as there is room for.
	var wg sync.WaitGroup
	codes := make(chan int, 20)
	for i := range 20 {
		wg.Go(func() { codes <- w.do("POST", "/v1/capsules", named(fmt.Sprintf("c%d", i))).StatusCode })
	}
	wg.Wait()
	close(codes)
	count := map[int]int{}
	for code := range codes {
		count[code]++
	}
	if count[202] != 5 || count[403] != 15 {
		t.Errorf("answers %v, want 5 accepted and 15 refused", count)
	}
	w.get(202, "POST", "/v1/capsules", named("theirs"), at140(otherToken)...)
	for i := range 7 {
		w.get(202, "POST", "/v1/capsules", named(fmt.Sprintf("pod%d", i)), at140(adminToken)...)
	}
	// What is there may grow as far as there is room, and shrink below a limit that was lowered.
	var own string
	for id, c := range w.all {
		if c.Project == "p1" {
			own = id
		}
	}
	name := w.all[own].Spec.Name
	w.get(200, "PATCH", "/v1/capsules/"+own, sized(name, `{"requests":{"cpu":"2"}}`), at140(userToken)...)
	w.refused(403, "over-quota", "resources: cpu", "PATCH", "/v1/capsules/"+own, sized(name, `{"requests":{"cpu":"2500m"}}`), userToken)
	another := strings.Replace(sized(name, `{"requests":{"cpu":"2500m"}}`), "web:1", "web:2", 1) // an upgrade is no way around
	w.refused(403, "over-quota", "resources: cpu", "PATCH", "/v1/capsules/"+own, another, userToken)
	if w.all[own].Upgrade != nil {
		t.Errorf("an upgrade beyond the quota: %+v", w.all[own].Upgrade)
	}
	w.get(200, "PUT", "/v1/quotas/p1", `{"cpu":0,"containers":0}`, at140(adminToken)...)
	w.get(200, "PATCH", "/v1/capsules/"+own, sized(name, `{"requests":{"cpu":"1"}}`), at140(userToken)...)
}
