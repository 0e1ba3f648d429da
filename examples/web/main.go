// Command web is the example workload: one static program that plays every container of examples/web.yaml, so that the
// example needs no image from anywhere.
//
//	web init                                     what an init container does: check, say so, end
//	web serve --port 8080 --page "Hello"         a page at /, readiness at /ready
//	web wait --http http://127.0.0.1:8080 --every 5s   a neighbour that fetches the page over localhost
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "web:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("say what to do: init, serve or wait")
	}
	flags := flag.NewFlagSet("web "+args[0], flag.ContinueOnError)
	port := flags.Int("port", 8080, "port to listen on")
	page := flags.String("page", "Hello from a capsule", "text of the page")
	url := flags.String("http", "http://127.0.0.1:8080", "address to fetch")
	every := flags.Duration("every", 5*time.Second, "time between two fetches")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "init":
		return prepare(out)
	case "serve":
		return serve(ctx, out, *port, *page)
	case "wait":
		return fetchEvery(ctx, out, *url, *every)
	default:
		return fmt.Errorf("unknown command %q: init, serve or wait", args[0])
	}
}

// prepare looks at what the others will need.
func prepare(out io.Writer) error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s is prepared, addresses %v\n", name, addrs)
	return nil
}

func serve(ctx context.Context, out io.Writer, port int, page string) error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ready") })
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(out, "%s %s from %s\n", r.Method, r.URL.Path, r.RemoteAddr)
		fmt.Fprintf(w, "%s (%s)\n", page, name)
	})
	srv := &http.Server{Addr: ":" + strconv.Itoa(port), Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.ListenAndServe() }()
	fmt.Fprintf(out, "serving on port %d\n", port)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		fmt.Fprintln(out, "asked to stop")
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return srv.Shutdown(end)
	}
}

func fetchEvery(ctx context.Context, out io.Writer, url string, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if body, err := fetch(ctx, url); err != nil {
			fmt.Fprintf(out, "%s: %v\n", url, err)
		} else {
			fmt.Fprintf(out, "%s: %s", url, body)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func fetch(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, errors.New(res.Status)
	}
	return io.ReadAll(io.LimitReader(res.Body, 4096))
}
