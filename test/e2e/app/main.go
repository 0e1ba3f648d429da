// Command app is every container of the end-to-end tests: its first argument chooses a behaviour.
//
//	exit CODE [AFTER]    ends with CODE, after a while
//	print N              prints "line 1" to "line N" and waits for TERM
//	tick EVERY           prints "tick 1", "tick 2", … until TERM
//	cat FILE             prints the file and waits for TERM
//	fetch URL TEXT       ends with 0 once URL answers with a page that contains TEXT
//	linger AFTER CODE    on TERM says so, waits, ends with CODE
//	deaf                 ignores TERM
//	burn TIME            computes for so long in each tenth of a second
//	echo ADDRESS         TCP: says back what was sent once the sender has closed its half
//	serve PORT NAME      HTTP: / says NAME, /state/{name} answers 200 or 503, PUT /state/{name}?ok=false changes that,
//	                     PUT /exit?code=3 ends, /env/{name} shows a variable, /count counts its visitors
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "app: say what to do")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	code, err := act(ctx, os.Args[1], append(os.Args[2:], "", ""))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(2)
	}
	os.Exit(code)
}

func act(ctx context.Context, what string, args []string) (int, error) {
	switch what {
	case "exit":
		wait(ctx, duration(args[1], 0))
		fmt.Println("exit", args[0])
		return strconv.Atoi(args[0])
	case "print":
		n, err := strconv.Atoi(args[0])
		for i := range n {
			fmt.Println("line", i+1)
		}
		if err == nil {
			<-ctx.Done()
		}
		return 0, err
	case "tick":
		for i := 1; ctx.Err() == nil; i++ {
			fmt.Println("tick", i)
			wait(ctx, duration(args[0], time.Second))
		}
		return 0, nil
	case "cat":
		b, err := os.ReadFile(args[0])
		if fmt.Printf("%s", b); err == nil {
			<-ctx.Done()
		}
		return 0, err
	case "fetch":
		return 0, fetch(ctx, args[0], args[1])
	case "linger":
		fmt.Println("waiting for TERM")
		<-ctx.Done()
		fmt.Println("got TERM")
		time.Sleep(duration(args[0], 0))
		fmt.Println("done lingering")
		return strconv.Atoi(args[1])
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("deaf")
		select {}
	case "burn":
		for share := duration(args[0], 10*time.Millisecond); ctx.Err() == nil; {
			for began := time.Now(); time.Since(began) < share; {
			}
			wait(ctx, 100*time.Millisecond-share)
		}
		return 0, nil
	case "echo":
		return 0, echo(ctx, args[0])
	case "serve":
		return serve(ctx, args[0], args[1])
	default:
		return 2, fmt.Errorf("unknown behaviour %q", what)
	}
}

func duration(s string, otherwise time.Duration) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		return otherwise
	}
	return d
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func fetch(ctx context.Context, url, text string) error {
	for ctx.Err() == nil {
		res, err := http.Get(url) //nolint:gosec // the test says which
		if err == nil {
			body, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			fmt.Printf("%s: %s", url, body)
			if strings.Contains(string(body), text) {
				return nil
			}
		} else {
			fmt.Println(err)
		}
		wait(ctx, 200*time.Millisecond)
	}
	return ctx.Err()
}

func serve(ctx context.Context, port, name string) (int, error) {
	exit := make(chan int, 1)
	srv := &http.Server{Addr: ":" + port, Handler: routes(name, exit), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.ListenAndServe() }()
	fmt.Println("serving", name, "on", port)
	select {
	case err := <-failed:
		return 2, err
	case code := <-exit:
		return code, nil
	case <-ctx.Done():
		fmt.Println("got TERM")
		return 0, nil
	}
}

func routes(name string, exit chan<- int) http.Handler {
	var down sync.Map
	var count atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) })
	mux.HandleFunc("GET /state/{name}", func(w http.ResponseWriter, r *http.Request) {
		if _, is := down.Load(r.PathValue("name")); is {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("PUT /state/{name}", func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("ok") == "false" {
			down.Store(r.PathValue("name"), true)
		} else {
			down.Delete(r.PathValue("name"))
		}
	})
	mux.HandleFunc("PUT /exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.URL.Query().Get("code"))
		exit <- code
	})
	mux.HandleFunc("GET /env/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, os.Getenv(r.PathValue("name")))
	})
	mux.HandleFunc("GET /count", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, count.Add(1)) })
	return mux
}
