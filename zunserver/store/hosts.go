package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// HostEvent is one change of a host, a bookmark, or the end of a watch.
type HostEvent struct {
	Kind Kind
	// Host is the record after a put, and the last one before a delete (its agent gave the host up or died).
	Host capsule.Host
	// Revision is that of the change; a bookmark says that everything up to it was sent.
	Revision int64
	// Err is set in an error event only.
	Err error
}

// hostView is what the two keys of every host say at one revision.
type hostView struct {
	hosts    map[string]capsule.Host
	services map[string]capsule.Service
}

// Hosts returns the hosts that have an agent, in the order of their names, and the revision that the list is complete for.
func (s *Store) Hosts(ctx context.Context) ([]capsule.Host, int64, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	resp, err := s.client.Txn(ctx).Then(
		clientv3.OpGet(s.hostsPrefix(), clientv3.WithPrefix()),
		clientv3.OpGet(s.disabledPrefix(), clientv3.WithPrefix())).Commit()
	if err != nil {
		return nil, 0, fmt.Errorf("list hosts: %w", classify(ctx, err))
	}
	services := map[string]capsule.Service{}
	for _, kv := range resp.Responses[1].GetResponseRange().Kvs {
		of, err := s.decodeService(kv)
		if err != nil {
			return nil, 0, fmt.Errorf("list hosts: %w", err)
		}
		services[of.Host] = of
	}
	var list []capsule.Host
	for _, kv := range resp.Responses[0].GetResponseRange().Kvs {
		h, err := decodeHost(kv)
		if err != nil {
			return nil, 0, fmt.Errorf("list hosts: %w", err)
		}
		h.Serve(services[h.Name])
		list = append(list, h)
	}
	return list, resp.Header.Revision, nil
}

// WatchHosts sends every change of a host, or of its being disabled, after the revision since. It ends as WatchCapsules does.
func (s *Store) WatchHosts(ctx context.Context, since int64) <-chan HostEvent {
	fail := func(err error) HostEvent { return HostEvent{Kind: Error, Err: err} }
	view, err := s.hostView(ctx, since)
	if err != nil {
		return failed(fail(err))
	}
	// disabled/ … hosts/ is one range (with the elections between, which are skipped), so that one watch keeps the order.
	end := clientv3.GetPrefixRangeEnd(s.hostsPrefix())
	return watch(ctx, s, s.disabledPrefix(), end, &feed[HostEvent]{
		since: since, fail: fail,
		convert:  func(e *clientv3.Event) (HostEvent, bool, error) { return s.hostEvent(view, e) },
		bookmark: func(r int64) HostEvent { return HostEvent{Kind: Bookmark, Revision: r} },
	})
}

// hostView reads what was known of the hosts at the revision since.
func (s *Store) hostView(ctx context.Context, since int64) (*hostView, error) {
	if err := s.checkRevision(ctx, since); err != nil {
		return nil, err
	}
	v := &hostView{hosts: map[string]capsule.Host{}, services: map[string]capsule.Service{}}
	if since == 0 {
		return v, nil // before everything
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	resp, err := s.client.Get(ctx, s.disabledPrefix(), clientv3.WithRange(clientv3.GetPrefixRangeEnd(s.hostsPrefix())), clientv3.WithRev(since))
	if err != nil {
		return nil, fmt.Errorf("watch: read the hosts at revision %d: %w", since, classify(ctx, err))
	}
	for _, kv := range resp.Kvs {
		if _, _, err := s.hostEvent(v, &clientv3.Event{Type: clientv3.EventTypePut, Kv: kv}); err != nil {
			return nil, fmt.Errorf("watch: %w", err)
		}
	}
	return v, nil
}

// hostEvent applies a change to the view; ok is false when no host with an agent changed by it.
func (s *Store) hostEvent(v *hostView, e *clientv3.Event) (event HostEvent, ok bool, err error) {
	event = HostEvent{Kind: Put, Revision: e.Kv.ModRevision}
	var name string
	if name, ok = strings.CutPrefix(string(e.Kv.Key), s.disabledPrefix()); ok {
		if delete(v.services, name); e.Type == clientv3.EventTypePut {
			if v.services[name], err = s.decodeService(e.Kv); err != nil {
				return event, false, err
			}
		}
		event.Host, ok = v.hosts[name]
	} else if name, ok = strings.CutPrefix(string(e.Kv.Key), s.hostsPrefix()); ok && e.Type == clientv3.EventTypePut {
		if event.Host, err = decodeHost(e.Kv); err != nil {
			return event, false, err
		}
		v.hosts[name] = event.Host
	} else if ok {
		event.Kind = Delete
		event.Host, ok = v.hosts[name]
		delete(v.hosts, name)
	}
	event.Host.Serve(v.services[name])
	event.Host.Revision = e.Kv.ModRevision
	return event, ok, nil
}

func decodeHost(kv *mvccpb.KeyValue) (capsule.Host, error) {
	var h capsule.Host
	if err := json.Unmarshal(kv.Value, &h); err != nil {
		return h, fmt.Errorf("the record %s is not a host: %w: %w", kv.Key, errdefs.ErrDataLoss, err)
	}
	h.Revision = kv.ModRevision
	return h, nil
}

// checkHostName keeps one host's keys out of another's.
func checkHostName(name string) error {
	if name == "" || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("the host name %q is empty or has a slash: %w", name, errdefs.ErrInvalidArgument)
	}
	return nil
}
