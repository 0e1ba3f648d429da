package auth

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/containerd/errdefs"
	"golang.org/x/time/rate"
	"k8s.io/utils/lru"
)

// budgetsKept bounds the memory for budgets: who was not seen for longest is forgotten, and begins with a full one.
const budgetsKept = 16384

// Budgets are how often each of many may do something: so often in a second, and at once. They are safe for concurrent use; a
// nil one has no end.
type Budgets struct {
	perSecond rate.Limit
	burst     int
	of        *lru.Cache
}

// NewBudgets gives everybody perSecond, and burst at once; without end (nil) when perSecond is 0.
func NewBudgets(perSecond float64, burst int) *Budgets {
	if perSecond <= 0 {
		return nil
	}
	return &Budgets{rate.Limit(perSecond), max(burst, 1), lru.New(budgetsKept)}
}

// Spend takes one off the budget of who; when nothing is left, the error is a Busy that says how long to wait.
func (b *Budgets) Spend(who, what string) error {
	if b == nil {
		return nil
	}
	known, ok := b.of.Get(who)
	if !ok { // two who come first at once may both get one; the loss is one burst
		known = rate.NewLimiter(b.perSecond, b.burst)
		b.of.Add(who, known)
	}
	reserved := known.(*rate.Limiter).Reserve()
	wait := reserved.Delay()
	if wait == 0 {
		return nil
	}
	reserved.Cancel()
	return Busy{what, wait}
}

// Busy refuses a request because there were too many. Its class is ResourceExhausted.
type Busy struct {
	what string
	wait time.Duration
}

func (b Busy) Error() string {
	return fmt.Sprintf("too many %s, try again in %s: %s", b.what, b.RetryAfter(), errdefs.ErrResourceExhausted)
}

// Unwrap is the class.
func (b Busy) Unwrap() error { return errdefs.ErrResourceExhausted }

// RetryAfter is how long to wait, in whole seconds.
func (b Busy) RetryAfter() time.Duration {
	return max(time.Second, (b.wait + time.Second - 1).Truncate(time.Second))
}

// Address is whose budget a request from an address counts against: the IP address, of IPv6 the network of 64 bits.
func Address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap(); ip.Is6() {
		return netip.PrefixFrom(ip.WithZone(""), 64).Masked().String()
	}
	return ip.String()
}

// Limited lets each identity make so many requests, and each address so many that say nobody known.
func Limited(a Authenticator, identities, addresses *Budgets) Authenticator {
	return limited{a, identities, addresses}
}

type limited struct {
	Authenticator
	identities, addresses *Budgets
}

// Authenticate implements Authenticator.
func (l limited) Authenticate(r *http.Request) (Identity, error) {
	id, err := l.Authenticator.Authenticate(r)
	if errdefs.IsUnauthorized(err) {
		if busy := l.addresses.Spend(Address(r), "requests without a known identity from this address"); busy != nil {
			return Identity{}, busy
		}
	}
	if err != nil {
		return Identity{}, err
	}
	if busy := l.identities.Spend(id.Project+"/"+id.User, "requests of yours"); busy != nil {
		return Identity{}, busy
	}
	return id, nil
}
