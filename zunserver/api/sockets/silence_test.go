package sockets_test

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc/test/bufconn"

	"github.com/capsulet/capsulet/zunserver/api"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// Almost four hours in which nobody says a word are not the end of a terminal, with the deadlines of the product's own
// server; four are. The hours are those of a bubble.
func TestHoursOfSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, routes := unserved(t)
		conns := bufconn.Listen(1 << 10) // waiting for a kernel's would keep a bubble's time from passing
		w.base, w.dials = "http://server", func(ctx context.Context, _, _ string) (net.Conn, error) { return conns.DialContext(ctx) }
		server := api.NewServer(routes)
		go func() { _ = server.Serve(conns) }()
		defer server.Close()
		w.attach = func(ctx context.Context, s capsule.Session) error {
			go func() { _, _ = io.Copy(s.Stdout, s.Stdin) }()
			<-ctx.Done()
			return ctx.Err()
		}
		conn := w.join("ws" + w.ask("GET", "/v1/attach")[len("ws"):])
		_ = conn.SetReadDeadline(time.Time{})
		frames := make(chan string)
		go func() { // a client reads all the time, and so answers pings
			for {
				_, frame, err := conn.ReadMessage()
				if err != nil {
					frames <- err.Error()
					return
				}
				frames <- string(frame)
			}
		}()
		for _, word := range []string{"at once", "after hours"} {
			if err := conn.WriteMessage(websocket.BinaryMessage, []byte(word)); err != nil {
				t.Fatalf("saying %q: %v", word, err)
			}
			if echo := <-frames; echo != word {
				t.Fatalf("%q, want %q", echo, word)
			}
			time.Sleep(4*time.Hour - time.Second)
		}
		if end, want := <-frames, "websocket: close 1001 (going away): nothing was said for too long"; end != want {
			t.Errorf("%q, want %q", end, want)
		}
	})
}
