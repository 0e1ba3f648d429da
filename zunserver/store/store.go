package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/capsulet/capsulet/zunserver/store/member"
	"github.com/capsulet/capsulet/zunserver/store/replica"
	"github.com/capsulet/capsulet/zunserver/store/seal"
)

const (
	defaultPrefix = "/capsulet/"
	// requestTimeout bounds one operation whose caller set no closer deadline.
	requestTimeout = 10 * time.Second
)

// Config says where the records are. SealKey and one of Endpoints and DataDir are required.
type Config struct {
	// Endpoints of an external cluster. Empty: an embedded server in DataDir.
	Endpoints []string
	// DataDir is the embedded server's only state, created with mode 0700.
	DataDir string
	// CertFile, KeyFile, CAFile, Username and Password are for the external cluster.
	CertFile, KeyFile, CAFile string
	Username, Password        string
	// Prefix of every key, "/capsulet/" when empty.
	Prefix string
	// SealKey is 32 bytes, see package seal.
	SealKey []byte
	// Log gets etcd's own warnings; nil discards them.
	Log *logrus.Entry
	// DetectChanges is for tests: a reader who changes a capsule that others share makes the store panic, at the latest in Close.
	DetectChanges bool
}

// Store is safe for concurrent use. The capsules that it returns are shared by all readers: nobody changes them, or what they point to.
type Store struct {
	client *clientv3.Client
	seal   *seal.Sealer
	prefix string
	log    *logrus.Entry
	// records is the copy of the capsules.
	records *replica.Records

	server *member.Member // nil for an external cluster
	ctx    context.Context
	cancel context.CancelFunc
	feeder sync.WaitGroup // of the copy
	once   sync.Once
	// watches counts them, to tell them apart.
	watches atomic.Int64
}

// Open connects to the external cluster or starts the embedded server, and returns when it answers: at the end of ctx, or
// after 30 seconds, it gives up. Opening a data directory that another process has open, and records sealed with
// another key, are errors of the class FailedPrecondition.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	sealer, err := seal.New(cfg.SealKey)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if cfg.Log == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		cfg.Log = logrus.NewEntry(l)
	}
	s := &Store{seal: sealer, prefix: defaultPrefix, log: cfg.Log, records: replica.New(cfg.DetectChanges)}
	if cfg.Prefix != "" {
		s.prefix = strings.TrimSuffix(cfg.Prefix, "/") + "/"
	}
	s.ctx, s.cancel = context.WithCancel(context.Background()) //nolint:forbidigo // it ends with Close, not with Open
	if len(cfg.Endpoints) == 0 {
		if s.server, err = member.Start(ctx, cfg.DataDir, bookmarkInterval/2, cfg.Log); err == nil {
			s.client = s.server.Client()
			err = s.revokeLeases(ctx)
		}
	} else {
		s.client, err = dial(cfg)
	}
	if err == nil {
		err = s.check(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.feeder.Go(func() { s.replicate(s.ctx) }) //nolint:contextcheck // it lasts as long as the store
	return s, nil
}

// Close stops what Open started. Watches end with an error event, host leases are lost without being released.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		s.cancel()
		s.feeder.Wait()
		if s.client != nil {
			// A client of the embedded server has no connection and answers its context's end.
			if cerr := s.client.Close(); cerr != nil && !errors.Is(cerr, context.Canceled) {
				err = fmt.Errorf("close the etcd client: %w", cerr)
			}
		}
		if s.server != nil {
			err = errors.Join(err, s.server.Close())
		}
		s.records.Check()
	})
	return err
}

// Done is closed when the store was closed or its embedded server died; Err tells which.
func (s *Store) Done() <-chan struct{} {
	if s.server != nil {
		return s.server.Stopped()
	}
	return s.ctx.Done()
}

// Err is why the embedded server stopped by itself, and nil while it runs and after Close.
func (s *Store) Err() error {
	select {
	case <-s.Done():
	default:
		return nil
	}
	if s.ctx.Err() != nil {
		return nil //nolint:nilerr // Close was called
	}
	return fmt.Errorf("the embedded etcd server stopped by itself, see its log lines: %w", errdefs.ErrUnavailable)
}

// check asks the server for one capsule and opens it, so that a dead cluster and a wrong key show at once.
func (s *Store) check(ctx context.Context) error {
	resp, err := s.client.Get(ctx, s.capsulesPrefix(), clientv3.WithPrefix(), clientv3.WithLimit(1))
	if err != nil {
		return fmt.Errorf("ask etcd for the capsules: %w", classify(ctx, err))
	}
	for _, kv := range resp.Kvs {
		if _, err := s.decodeCapsule(kv); err != nil {
			return err
		}
	}
	return nil
}

// revokeLeases ends every lease. Only for the embedded server: its lock says that all owners are dead.
func (s *Store) revokeLeases(ctx context.Context) error {
	resp, err := s.client.Leases(ctx)
	if err != nil {
		return fmt.Errorf("list the leases of dead processes: %w", classify(ctx, err))
	}
	for _, l := range resp.Leases {
		if _, err := s.client.Revoke(ctx, l.ID); err != nil && !isLeaseGone(err) {
			return fmt.Errorf("revoke the lease of a dead process: %w", classify(ctx, err))
		}
	}
	return nil
}

func dial(cfg Config) (*clientv3.Client, error) {
	var conf *tls.Config
	if cfg.CertFile != "" || cfg.CAFile != "" {
		info := transport.TLSInfo{CertFile: cfg.CertFile, KeyFile: cfg.KeyFile, TrustedCAFile: cfg.CAFile}
		var err error
		if conf, err = info.ClientConfig(); err != nil {
			return nil, fmt.Errorf("read the certificates for etcd: %w", err)
		}
	} else if strings.HasPrefix(cfg.Endpoints[0], "https://") {
		conf = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c, err := clientv3.New(clientv3.Config{
		Endpoints: cfg.Endpoints, TLS: conf, Username: cfg.Username, Password: cfg.Password,
		DialTimeout: 5 * time.Second, DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 5 * time.Second,
		Logger: member.Bridge(cfg.Log, member.Warnings()),
	})
	if err != nil {
		return nil, fmt.Errorf("connect to etcd at %s: %w", strings.Join(cfg.Endpoints, ","), err)
	}
	return c, nil
}

// bounded gives an operation its deadline.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, requestTimeout)
}

func (s *Store) capsulesPrefix() string         { return s.prefix + "capsules/" }
func (s *Store) capsuleKey(uuid string) string  { return s.capsulesPrefix() + uuid }
func (s *Store) hostsPrefix() string            { return s.prefix + "hosts/" }
func (s *Store) hostKey(name string) string     { return s.hostsPrefix() + name }
func (s *Store) disabledPrefix() string         { return s.prefix + "disabled/" }
func (s *Store) disabledKey(name string) string { return s.disabledPrefix() + name }
func (s *Store) leadKey(what string) string     { return s.prefix + "lead/" + what }
func (s *Store) electionKey(name string) string { return s.prefix + "election/" + name }
