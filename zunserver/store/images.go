package store

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Images are the images that were asked for on hosts, by host and UUID.
func (s *Store) Images() *Table[capsule.HostImage] { return NewTable[capsule.HostImage](s, "images") }

// HostImages returns the images that were asked for on a host.
func (s *Store) HostImages(ctx context.Context, host string) ([]capsule.HostImage, error) {
	if err := checkHostName(host); err != nil {
		return nil, err
	}
	records, err := s.Images().List(ctx, host+"/")
	if err != nil {
		return nil, err
	}
	all := make([]capsule.HostImage, len(records))
	for i := range records {
		all[i] = records[i].Value
	}
	return all, nil
}

// UpdateHostImage lets update change what is known of an image on a host; NotFound when nobody asks for it any more.
func (s *Store) UpdateHostImage(ctx context.Context, host, uuid string, update func(*capsule.HostImage)) error {
	_, err := s.Images().Change(ctx, host+"/"+uuid, func(i *capsule.HostImage, exists bool) error {
		if !exists {
			return fmt.Errorf("nobody asks for it any more: %w", errdefs.ErrNotFound)
		}
		update(i)
		return nil
	})
	return err
}
