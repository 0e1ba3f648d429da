// Command standin is the program in the images that stand in for pause, nginx and nonewprivs of Kubernetes' end-to-end
// tests; the name it is called by says which one it is.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
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
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	switch name {
	case "pause":
		if len(os.Args) > 1 && os.Args[1] == "-v" {
			fmt.Println("pause, a stand-in")
			return nil
		}
		<-stop
		return nil
	case "nnp":
		fmt.Printf("Effective uid: %d\n", os.Geteuid())
		return nil
	case "nginx":
		go func() {
			<-stop
			os.Exit(0) //nolint:forbidigo // an order to stop
		}()
		page := func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "<title>Welcome to nginx!</title> (a stand-in)")
		}
		s := http.Server{Addr: ":80", Handler: http.HandlerFunc(page), ReadHeaderTimeout: 10 * time.Second}
		return s.ListenAndServe()
	default:
		return fmt.Errorf("do not know what %q is", name)
	}
}
