package main

import (
	"context"
	"fmt"
	"io"
	"net"
)

// echo says back what a connection sent once its sender has closed its half, to each connection that comes.
func echo(ctx context.Context, address string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	fmt.Println("listening on", l.Addr())
	for {
		conn, err := l.Accept()
		if err != nil {
			return nil // TERM closed it
		}
		go func() {
			defer conn.Close()
			b, err := io.ReadAll(conn)
			if err == nil {
				_, err = fmt.Fprintf(conn, "echo %s", b)
			}
			fmt.Println("echo", len(b), err)
		}()
	}
}
