package api_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

func TestNetworks(t *testing.T) {
	w := newResourceful(t)
	const id = "aaaaaaaa-2222-3333-4444-555555555555"
	got := w.get(200, "POST", "/v1/networks", `{"name":"blue","neutron_net_id":"`+id+`","subnets":["10.9.0.0/24"]}`, at140(adminToken)...)
	if got["uuid"] != id || got["neutron_net_id"] != id || got["network_id"] != "capsulet_"+id || got["name"] != "blue" || got["shared"] != true {
		t.Errorf("%v", got)
	}
	w.get(200, "POST", "/v1/networks", `{"name":"plain"}`, at140(adminToken)...)
	w.get(200, "POST", "/v1/networks", `{"name":"theirs","project_id":"p2"}`, at140(adminToken)...)
	names := func(token string) string {
		var all []string
		for _, n := range w.get(200, "GET", "/v1/networks", "", at140(token)...)["networks"].([]any) {
			all = append(all, n.(map[string]any)["name"].(string))
		}
		return strings.Join(all, " ")
	}
	if u, o := names(userToken), names(otherToken); u != "blue bridge lan plain" || o != "blue bridge lan plain theirs" {
		t.Errorf("%q, %q", u, o)
	}
	for body, says := range map[string]string{
		`{"neutron_net_id":"` + id + `"}`:                        "'name' is a required property",
		`{"name":"bridge"}`:                                      "a network of the engines",
		`{"name":"lan"}`:                                         "a network of the engines",
		`{"name":"a b"}`:                                         "'name'",
		`{"name":"red","neutron_net_id":"x"}`:                    "'neutron_net_id'",
		`{"name":"red","subnets":["10.0.0.1/24"]}`:               "'subnets[0]'",
		`{"name":"red","subnets":["10.0.0.0/31"]}`:               "too large or too small",
		`{"name":"red","subnets":["10.0.0.0/24","10.1.0.0/24"]}`: "one subnet for each family",
	} {
		w.refused(400, "schema-validation-error", says, "POST", "/v1/networks", body, adminToken)
	}
	w.refused(409, "network-already-exists", id, "POST", "/v1/networks", `{"name":"red","neutron_net_id":"`+id+`"}`, adminToken)
	w.refused(403, "policy-not-authorized", "network:create", "POST", "/v1/networks", `{"name":"red"}`, userToken)

	with := func(nets string) string {
		return strings.Replace(small, `"containers"`, `"nets":`+nets+`,"containers"`, 1)
	}
	for nets, want := range map[string][]capsule.Net{
		`[{"network":"blue","ipv4":"10.9.0.7"},{"network":"bridge"}]`: {{Network: id, IPv4: "10.9.0.7"}, {Network: "bridge"}},
		`[{"network":"` + strings.ToUpper(id) + `"}]`:                 {{Network: id}},
		`[{"network":"` + capsule.NetworkUUID("lan") + `"}]`:          {{Network: "lan"}},
		`[{"network":"none"}]`:                                        {{Network: "none"}},
	} {
		made := w.get(202, "POST", "/v1/capsules", with(nets), "Accept", nativeType)
		if c := w.all[made["uuid"].(string)]; !slices.Equal(c.Spec.Nets, want) {
			t.Errorf("%s: %+v", nets, c.Spec.Nets)
		}
		w.get(204, "DELETE", "/v1/capsules/"+made["uuid"].(string), "")
		if want[0].Network != id || len(want) == 1 {
			delete(w.all, made["uuid"].(string))
		}
	}
	for nets, says := range map[string]string{
		`[{"network":"plain","ipv4":"10.9.0.7"}]`:                    "nets[0].ipv4'. a fixed address needs a subnet, and network plain was made without",
		`[{"network":"bridge","ipv4":"10.9.0.7"}]`:                   "nets[0].ipv4'. a fixed address needs a network with a subnet of its own",
		`[{"network":"plain"},{"network":"blue","ipv4":"10.8.0.7"}]`: "nets[1].ipv4'. 10.8.0.7 is not an address for capsules in 10.9.0.0/24",
		`[{"network":"blue","ipv4":"10.9.0.1"}]`:                     "10.9.0.1 is not an address for capsules",
		`[{"network":"blue"},{"network":"` + id + `"}]`:              "means this network too",
	} {
		w.refused(400, "schema-validation-error", says, "POST", "/v1/capsules", with(nets), userToken)
	}
	w.refused(404, "network-not-found", "Neutron network theirs could not be found.", "POST", "/v1/capsules", with(`[{"network":"theirs"}]`), userToken)
	w.refused(404, "network-not-found", "host9", "POST", "/v1/capsules", with(`[{"network":"host9"}]`), userToken)

	w.refused(409, "conflict", "in use by", "DELETE", "/v1/networks/blue", "", adminToken)
	w.refused(409, "conflict", "the engines' own", "DELETE", "/v1/networks/bridge", "", adminToken)
	w.refused(404, "network-not-found", "no-such", "DELETE", "/v1/networks/no-such", "", adminToken)
	w.get(406, "DELETE", "/v1/networks/plain", "", "X-Auth-Token", adminToken, "OpenStack-API-Version", "container 1.26")
	w.get(204, "DELETE", "/v1/networks/plain", "", at140(adminToken)...)
	w.get(404, "GET", "/v1/networks/plain", "", at140(adminToken)...)
	w.get(200, "POST", "/v1/networks", `{"name":"blue"}`, at140(adminToken)...)
	w.refused(409, "conflict", "Multiple networks exist with same name blue", "POST", "/v1/capsules", with(`[{"network":"blue"}]`), userToken)
}
