// Package member runs an etcd member inside the process, which nobody can reach but by function, and locks its data directory.
package member

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	memberName = "capsulet"
	// memberURL only names the member in its own record: nothing listens there and nobody dials it.
	memberURL = "http://127.0.0.1:1"

	quotaBytes = 2 << 30
	// MaxRequestBytes lets a capsule carry several ConfigMaps of Kubernetes' 1 MiB.
	MaxRequestBytes = 8 << 20
	// lockWait covers a predecessor that is just ending.
	lockWait = 2 * time.Second
)

// Member is an etcd member in this process and the lock on its directory.
type Member struct {
	etcd *embed.Etcd
	lock *os.File
}

// Start returns when the member is ready to answer. It tells watches how far they are at least once in notify.
func Start(ctx context.Context, dir string, notify time.Duration, log *logrus.Entry) (*Member, error) {
	if dir == "" {
		return nil, fmt.Errorf("the store has neither endpoints nor a data directory: %w", errdefs.ErrInvalidArgument)
	}
	lock, err := lockDir(ctx, dir)
	if err != nil {
		return nil, err
	}
	// Until it is ready etcd warns about what is meant so here (one port, default tokens).
	level := zap.NewAtomicLevelAt(zapcore.ErrorLevel)
	etcd, err := embed.StartEtcd(Config(dir, notify, Bridge(log, level)))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the embedded etcd server in %s: %w", dir, err), lock.Close())
	}
	e := &Member{etcd: etcd, lock: lock}
	select {
	case <-etcd.Server.ReadyNotify():
		level.SetLevel(zapcore.WarnLevel)
		return e, nil
	case <-etcd.Server.StopNotify():
		err = errors.New("it stopped by itself")
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(fmt.Errorf("wait for the embedded etcd server in %s: %w", dir, err), e.Close())
}

// Config is that of the member in dir, without listeners.
func Config(dir string, notify time.Duration, log *zap.Logger) *embed.Config {
	c := embed.NewConfig()
	c.Name = memberName
	c.Dir = filepath.Join(dir, "member.etcd")
	u, _ := url.Parse(memberURL) // constant
	c.ListenPeerUrls, c.ListenClientUrls = nil, nil
	c.AdvertisePeerUrls, c.AdvertiseClientUrls = []url.URL{*u}, []url.URL{*u}
	c.InitialCluster = c.InitialClusterFromName(memberName)
	c.EnableGRPCGateway = false

	// A single member elects itself; with 5 ticks it does so within half a second.
	c.TickMs, c.ElectionMs = 100, 500
	c.SnapshotCount, c.SnapshotCatchUpEntries = 1000, 100
	c.AutoCompactionMode, c.AutoCompactionRetention = embed.CompactorModePeriodic, "30m"
	c.QuotaBackendBytes = quotaBytes
	c.MaxRequestBytes = MaxRequestBytes
	c.WatchProgressNotifyInterval = notify
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(log)
	return c
}

// Client calls the member by function; no network is involved.
func (e *Member) Client() *clientv3.Client { return v3client.New(e.etcd.Server) }

// Stopped is closed when the member has stopped, whoever stopped it.
func (e *Member) Stopped() <-chan struct{} { return e.etcd.Server.StopNotify() }

// Kill stops the member at once, as a fault in it would, and leaves it to Close to give the directory free.
func (e *Member) Kill() { e.etcd.Server.HardStop() }

// Close stops the member and gives the directory free.
func (e *Member) Close() error {
	e.etcd.Close()
	return e.lock.Close()
}

// lockDir makes dir, private, and locks it for this process. etcd's own lock would wait for ever.
func lockDir(ctx context.Context, dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory of the store: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory of the store private: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the store: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("the data directory %s is in use by another capsulet process (it holds "+
				"the lock %s); stop that one or choose another state directory: %w",
				dir, f.Name(), errdefs.ErrFailedPrecondition), f.Close())
		}
	}
}
