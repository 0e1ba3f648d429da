// Command standin is the program in the images that stand in for those of Kubernetes' end-to-end tests; the name it is
// called by says what it is:
//
//	pause   waits to be stopped
//	nnp     says its effective uid; setuid in the image
//	nginx   serves one page on port 80
//	wget    what busybox' does with -O- and --post-data
//	sh      becomes bash; see sh.go
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(filepath.Base(os.Args[0])); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // main
	}
}

func run(name string) error {
	switch name {
	case "pause":
		return pause()
	case "nnp":
		fmt.Fprintf(os.Stdout, "Effective uid: %d\n", os.Geteuid())
		return nil
	case "nginx":
		return serve()
	case "wget":
		return wget(os.Args[1:])
	case "sh":
		return shell()
	default:
		return fmt.Errorf("do not know what %q is", name)
	}
}

func pause() error {
	if len(os.Args) > 1 && os.Args[1] == "-v" {
		fmt.Fprintln(os.Stdout, "pause, a stand-in")
		return nil
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	return nil
}

func serve() error {
	page := func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "<title>Welcome to nginx!</title> (a stand-in)")
	}
	s := http.Server{Addr: ":80", Handler: http.HandlerFunc(page), ReadHeaderTimeout: 10 * time.Second}
	return s.ListenAndServe()
}

// wget prints what the URL answers.
func wget(args []string) error {
	method, body, url := http.MethodGet, "", ""
	for _, a := range args {
		if data, found := strings.CutPrefix(a, "--post-data="); found {
			method, body = http.MethodPost, data
		} else if !strings.HasPrefix(a, "-") {
			url = a
		}
	}
	req, err := http.NewRequest(method, url, strings.NewReader(body)) //nolint:noctx // a command; its timeout is the client's
	if err != nil {
		return err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	client := http.Client{Timeout: 30 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(os.Stdout, res.Body); err != nil {
		return err
	}
	if res.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("wget: server returned error: %s", res.Status)
	}
	return nil
}
