package images

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/distribution/reference"

	"github.com/capsulet/capsulet/zunserver/capsule"
)

// patience is how long a host may take to say what it has.
const patience = 5 * time.Second

// known are the images that hosts have and those that were asked for, in the order of hosts and names.
func (r *Resource) known(ctx context.Context) ([]*capsule.HostImage, error) {
	records, err := r.Table.List(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	hosts, _, err := r.Records.Hosts(ctx)
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	has := r.ask(ctx, hosts)
	all := map[string]*capsule.HostImage{}
	for host, images := range has {
		for _, i := range images {
			for _, one := range named(host, i) {
				all[one.UUID] = one
			}
		}
	}
	for i := range records {
		asked := &records[i].Value
		there := all[asked.UUID]
		_, answered := has[asked.Host]
		switch {
		case there != nil:
			there.Project, there.User, there.Policy = asked.Project, asked.User, asked.Policy
			there.AskedAt, there.TriedAt, there.Failure = asked.AskedAt, asked.TriedAt, asked.Failure
		case !answered || asked.Status() != capsule.ImageAvailable:
			all[asked.UUID] = asked
		}
	}
	list := make([]*capsule.HostImage, 0, len(all))
	for _, one := range all {
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b *capsule.HostImage) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Repo, b.Repo), cmp.Compare(a.Tag, b.Tag))
	})
	return list, nil
}

// ask asks all hosts at once; those that do not answer are left out.
func (r *Resource) ask(ctx context.Context, hosts []capsule.Host) map[string][]capsule.Image {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	has := map[string][]capsule.Image{}
	for i := range hosts {
		if !hosts[i].Up {
			continue
		}
		wg.Go(func() {
			images, err := r.Hosts.Images(ctx, hosts[i].Name)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			has[hosts[i].Name] = images
		})
	}
	wg.Wait()
	return has
}

// named are the images of Zun that an image of an engine is: one for each of its names.
func named(host string, i capsule.Image) []*capsule.HostImage {
	var all []*capsule.HostImage
	add := func(repo, tag string) {
		all = append(all, &capsule.HostImage{
			UUID: capsule.ImageUUID(host, repo, tag), Host: host, Repo: repo, Tag: tag, ImageID: i.ID, SizeBytes: i.SizeBytes,
		})
	}
	for _, name := range i.Tags {
		if at := strings.LastIndexByte(name, ':'); at > 0 && name != "<none>:<none>" {
			add(name[:at], name[at+1:])
		}
	}
	if len(all) > 0 {
		return all
	}
	for _, name := range i.Digests {
		if repo, digest, ok := strings.Cut(name, "@"); ok && repo != "<none>" {
			add(repo, digest)
		}
	}
	return all
}

// split is the name that engines have for an image, and its tag or digest.
func split(ref string) (repo, tag string, err error) {
	n, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", "", err
	}
	repo = reference.FamiliarName(n)
	if d, ok := n.(reference.Digested); ok {
		return repo, d.Digest().String(), nil
	}
	if t, ok := reference.TagNameOnly(n).(reference.Tagged); ok {
		return repo, t.Tag(), nil
	}
	return repo, "latest", nil
}
