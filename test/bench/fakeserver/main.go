// Command fakeserver is a capsule server whose hosts are in memory, for benchmarks of everything but an engine: its API, its
// store on a disk, its scheduler and agents. It prints one line of JSON when it serves, and ends when its input does.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"

	"golang.org/x/sync/errgroup"

	"github.com/capsulet/capsulet/test/bench/api/served"
	"github.com/capsulet/capsulet/zunserver"
	"github.com/capsulet/capsulet/zunserver/api"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/runtime"
	"github.com/capsulet/capsulet/zunserver/runtime/fake"
	"github.com/capsulet/capsulet/zunserver/store"
)

const instance = "bench"

func main() {
	dir := flag.String("dir", "", "an empty directory for its state")
	hosts := flag.Int("hosts", 4, "how many hosts it has")
	profile := flag.String("profile", "", "write a CPU profile of its life to this file")
	flag.Parse()
	zunserver.SaveMemory()
	if err := run(context.Background(), *dir, *hosts, *profile); err != nil { //nolint:forbidigo // the first context
		fmt.Fprintln(os.Stderr, "fakeserver:", err)
		os.Exit(1) //nolint:forbidigo // main
	}
}

func run(ctx context.Context, dir string, hosts int, profile string) (err error) {
	if dir == "" {
		return errors.New("-dir is missing")
	}
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
		defer func() { err = errors.Join(err, heap(profile+".heap")) }()
	}
	token := rand.Text()
	tokens, err := auth.NewTokens(map[string]auth.Identity{token: auth.Administrator()})
	if err != nil {
		return err
	}
	cfg := zunserver.Config{
		Instance: instance, StateDir: filepath.Join(dir, "state"), RunDir: filepath.Join(dir, "run"), Auth: tokens,
		Store: store.Config{DataDir: filepath.Join(dir, "etcd"), SealKey: make([]byte, 32)}, MaxBodyBytes: 1 << 20,
	}
	engines := map[string]runtime.Host{}
	for i := range hosts {
		name := fmt.Sprint("h", i)
		engine := fake.New(fake.Config{Name: name, Instance: instance, CPUs: 1000, MemoryBytes: 1 << 42})
		engine.AddImage(served.Image, fake.Behaviour{})
		engines[name] = engine
		cfg.Hosts = append(cfg.Hosts, zunserver.HostConfig{Name: name, Address: fmt.Sprint("192.0.2.", i+1)})
	}
	cfg.Open = func(_ context.Context, h zunserver.HostConfig) (runtime.Host, error) { return engines[h.Name], nil }
	return serve(ctx, cfg, token)
}

// heap writes what is in use.
func heap(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("heap").WriteTo(f, 0), f.Close())
}

func serve(ctx context.Context, cfg zunserver.Config, token string) (err error) {
	core, err := zunserver.New(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, core.Close()) }()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	web := api.NewServer(core.Handler())
	ctx, cancel := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error { defer cancel(); return core.Run(ctx) })
	g.Go(func() error { _ = web.Serve(listener); cancel(); return nil })
	g.Go(func() error { _, err := io.Copy(io.Discard, os.Stdin); cancel(); return err })
	g.Go(func() error { <-ctx.Done(); return web.Close() })
	if err := json.NewEncoder(os.Stdout).Encode(served.Line{URL: "http://" + listener.Addr().String(), Token: token}); err != nil {
		return err
	}
	return g.Wait()
}
