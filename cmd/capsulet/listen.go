package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/capsulet/capsulet/config"
	"github.com/capsulet/capsulet/zunserver/api"
	"github.com/capsulet/capsulet/zunserver/auth"
	"github.com/capsulet/capsulet/zunserver/auth/reload"
)

// listen serves the capsule API on its addresses until ctx ends, and gives requests under way a moment then.
func listen(ctx context.Context, cfg *config.Config, handler http.Handler, log *logrus.Entry) (err error) {
	secure, err := serverTLS(&cfg.API, log)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	var listeners []net.Listener
	for _, address := range cfg.API.Listen {
		ln, err := listenOn(ctx, &cfg.API, address)
		if err != nil {
			for _, other := range listeners {
				_ = other.Close()
			}
			return fmt.Errorf("listening for the capsule API (api.listen): %w", err)
		}
		listeners = append(listeners, ln)
	}
	for _, ln := range listeners {
		g.Go(func() error { return serveOn(ctx, &cfg.API, ln, secure, handler, log) })
	}
	return g.Wait()
}

// listenOn listens on one address.
func listenOn(ctx context.Context, a *config.API, address string) (net.Listener, error) {
	path, ok := config.SocketPath(address)
	if !ok {
		return (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	}
	mode, err := strconv.ParseUint(a.SocketMode, 8, 32)
	if err != nil {
		return nil, fmt.Errorf("api.socketMode: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	before := syscall.Umask(0o077) // nobody else gets in before the mode is set
	ln, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	syscall.Umask(before)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, fs.FileMode(mode)); err != nil {
		_ = ln.Close()
		return nil, err
	}
	return ln, nil
}

// removeStale removes the socket of a process that died; one that somebody answers on is in use.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there, and it is no socket", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = conn.Close()
		return fmt.Errorf("somebody listens on %s already", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// serveOn serves one listener: who comes by a socket, or by any without authentication, is the administrator.
func serveOn(ctx context.Context, a *config.API, ln net.Listener, secure *tls.Config, handler http.Handler, log *logrus.Entry) error {
	srv := api.NewServer(handler)
	log = log.WithField("address", ln.Addr().String())
	socket := ln.Addr().Network() == "unix"
	switch {
	case socket:
		log.Info("Serving the capsule API; whoever can open the socket is the administrator")
	case a.InsecureNoAuth:
		log.Warn("Serving the capsule API WITHOUT AUTHENTICATION (api.insecureNoAuth): every process on this machine is the administrator, " +
			"and by privileged containers root on the hosts")
	default:
		log.WithField("tokenFile", a.TokenFile).Info("Serving the capsule API")
	}
	if socket || a.InsecureNoAuth {
		srv.BaseContext = func(net.Listener) context.Context { return auth.Trust(context.Background(), auth.Administrator()) }
	}
	if secure != nil && !socket {
		ln = tls.NewListener(ln, secure)
	}
	stop := context.AfterFunc(ctx, func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if srv.Shutdown(closing) != nil {
			_ = srv.Close()
		}
	})
	defer stop()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the capsule API: %w", err)
	}
	return nil
}

// serverTLS has the certificate, and the authorities of client certificates, as the files say now; nil without a certificate.
func serverTLS(a *config.API, log *logrus.Entry) (*tls.Config, error) {
	if a.TLSCertFile == "" {
		return nil, nil
	}
	paths := []string{a.TLSCertFile, a.TLSKeyFile}
	if a.ClientCAFile != "" {
		paths = append(paths, a.ClientCAFile)
	}
	file, err := reload.New(log, func() (*tls.Config, error) { return readTLS(a) }, paths...)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return file.Get(), nil },
	}, nil
}

func readTLS(a *config.API) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(a.TLSCertFile, a.TLSKeyFile)
	if err != nil {
		return nil, fmt.Errorf("api.tlsCertFile: %w", err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if a.ClientCAFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(a.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("api.clientCAFile: %w", err)
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("api.clientCAFile: %s has no certificate", a.ClientCAFile)
	}
	return c, nil
}
