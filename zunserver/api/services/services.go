package services

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// binary is the only service that a host has (zun/common/consts.py).
const binary = "zun-compute"

// The actions of these resources (zun/common/policies/zun_service.py).
const (
	actionList      auth.Action = "zun-service:get_all"
	actionDelete    auth.Action = "zun-service:delete"
	actionEnable    auth.Action = "zun-service:enable"
	actionDisable   auth.Action = "zun-service:disable"
	actionForceDown auth.Action = "zun-service:force_down"
	actionZones     auth.Action = "availability_zones:get_all"
)

// list is GET /v1/services. It has no pages, as in Zun.
func (r *Resource) list(c *rest.Call) error {
	if err := auth.Allowed(actionList, c.Caller, ""); err != nil {
		return rest.NotAllowed(actionList)
	}
	all, err := r.all(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, listed{all})
}

// all are the services of hosts that have an agent, and of those that had one.
func (r *Resource) all(c *rest.Call) ([]view.Service, error) {
	said, err := r.Backend.Services(c.R.Context())
	if err != nil {
		return nil, err
	}
	hosts, _, err := r.Backend.Hosts(c.R.Context())
	if err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	of := map[string]*view.Service{}
	for i := range said {
		v := shown(&said[i])
		of[v.Host] = &v
	}
	for i := range hosts {
		h := &hosts[i]
		v := of[h.Name]
		if v == nil {
			bare := shown(&capsule.Service{Host: h.Name, CreatedAt: h.Since})
			v, of[h.Name] = &bare, &bare
		}
		v.LastSeenUp, v.ReportCount, v.AvailabilityZone = view.MicroDate(h.SeenAt), h.Reports, h.Zone()
		if h.Up && !v.ForcedDown {
			v.State = "up"
		}
		if v.UpdatedAt == nil {
			v.UpdatedAt = v.LastSeenUp
		}
	}
	all := make([]view.Service, 0, len(of))
	for _, v := range of {
		all = append(all, *v)
	}
	slices.SortFunc(all, func(a, b view.Service) int { return cmp.Compare(a.Host, b.Host) })
	return all, nil
}

// shown is a service that is down.
func shown(s *capsule.Service) view.Service {
	v := view.Service{
		ID: number(s.Host), Host: s.Host, Binary: binary, State: "down", Disabled: s.Disabled, ForcedDown: s.ForcedDown,
		AvailabilityZone: cmp.Or(s.Zone, capsule.DefaultZone), CreatedAt: view.MicroDate(s.CreatedAt), UpdatedAt: view.MicroDate(s.UpdatedAt),
	}
	if s.DisabledReason != "" {
		v.DisabledReason = &s.DisabledReason
	}
	return v
}

// number is Zun's integer for a service; it stays the same.
func number(host string) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(host)) // it does not fail
	return int64(h.Sum32() >> 1)
}

// target is the host of the service that the query names, which has to be there.
func (r *Resource) target(c *rest.Call, action auth.Action, more ...string) (string, error) {
	if err := auth.Allowed(action, c.Caller, ""); err != nil {
		return "", rest.NotAllowed(action)
	}
	q := c.R.URL.Query()
	for name := range q {
		if name != "host" && name != "binary" && !slices.Contains(more, name) {
			return "", rest.Refuse(http.StatusBadRequest, "schema-validation-error",
				"Additional properties are not allowed ('%.64s' was unexpected)", name)
		}
	}
	for _, name := range append([]string{"host", "binary"}, more...) {
		switch n := len(q.Get(name)); {
		case n > 255:
			return "", rest.InvalidField(name, "it is longer than 255 bytes")
		case n == 0 && (q.Has(name) || name != "disabled_reason"):
			return "", rest.InvalidField(name, "it is needed in the query")
		}
	}
	all, err := r.all(c)
	if err != nil {
		return "", err
	}
	host := q.Get("host")
	if q.Get("binary") != binary || !slices.ContainsFunc(all, func(v view.Service) bool { return v.Host == host }) {
		return "", notFound(host, q.Get("binary"))
	}
	return host, nil
}

func notFound(host, binary string) error {
	return rest.Refuse(http.StatusNotFound, "zun-service-not-found", "Zun service %s on host %s could not be found.", binary, host)
}

// change writes what is said of a host.
func (r *Resource) change(c *rest.Call, host string, change func(*capsule.Service)) (capsule.Service, error) {
	now := r.Now().UTC()
	return r.Backend.ChangeService(c.R.Context(), host, func(s *capsule.Service) {
		if s.CreatedAt.IsZero() {
			s.CreatedAt = now
		}
		before := *s
		if change(s); *s != before {
			s.UpdatedAt = now
		}
	})
}

// enable is PUT /v1/services/enable.
func (r *Resource) enable(c *rest.Call) error {
	host, err := r.target(c, actionEnable)
	if err != nil {
		return err
	}
	return r.able(c, host, false, "")
}

// disable is PUT /v1/services/disable.
func (r *Resource) disable(c *rest.Call) error {
	host, err := r.target(c, actionDisable, "disabled_reason")
	if err != nil {
		return err
	}
	return r.able(c, host, true, c.R.URL.Query().Get("disabled_reason"))
}

func (r *Resource) able(c *rest.Call, host string, disabled bool, reason string) error {
	s, err := r.change(c, host, func(s *capsule.Service) { s.Disabled, s.DisabledReason = disabled, reason })
	if err != nil {
		return err
	}
	var a abled
	a.Service.Host, a.Service.Binary, a.Service.Disabled = host, binary, s.Disabled
	if s.DisabledReason != "" {
		a.Service.DisabledReason = &s.DisabledReason
	}
	return c.JSON(http.StatusOK, a)
}

// forceDown is PUT /v1/services/force_down.
func (r *Resource) forceDown(c *rest.Call) error {
	host, err := r.target(c, actionForceDown, "forced_down")
	if err != nil {
		return err
	}
	forced, err := c.Flag("forced_down")
	if err != nil {
		return err
	}
	s, err := r.change(c, host, func(s *capsule.Service) { s.ForcedDown = forced })
	if err != nil {
		return err
	}
	var a down
	a.Service.Host, a.Service.Binary, a.Service.ForcedDown = host, binary, s.ForcedDown
	return c.JSON(http.StatusOK, a)
}

// remove is DELETE /v1/services.
func (r *Resource) remove(c *rest.Call) error {
	host, err := r.target(c, actionDelete)
	if err != nil {
		return err
	}
	if err := r.Backend.RemoveService(c.R.Context(), host); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	c.W.WriteHeader(http.StatusNoContent)
	return nil
}

// zones is GET /v1/availability_zones: those of the hosts that are served.
func (r *Resource) zones(c *rest.Call) error {
	if err := auth.Allowed(actionZones, c.Caller, c.Caller.Project); err != nil {
		return rest.NotAllowed(actionZones)
	}
	hosts, _, err := r.Backend.Hosts(c.R.Context())
	if err != nil {
		return fmt.Errorf("list availability zones: %w", err)
	}
	var names []string
	for i := range hosts {
		names = append(names, hosts[i].Zone())
	}
	slices.Sort(names)
	names = slices.Compact(names)
	self := func(s string) string { return s }
	cut, next, err := rest.Paged(c, names, map[string]func(string) string{"id": self, "availability_zone": self}, self)
	if err != nil {
		return err
	}
	p := zonesPage{Zones: make([]view.Zone, 0, len(cut))}
	for _, name := range cut {
		p.Zones = append(p.Zones, view.Zone{AvailabilityZone: name})
	}
	p.Next = next
	return c.JSON(http.StatusOK, p)
}
