package kubelet

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
)

// limits are what a client may have of the endpoint, so that nobody, known or not, can keep others from it.
type limits struct {
	// connections in all, and from one address: the API server opens many from one.
	connections, perAddress int
	// header is for the handshake and the head of a request, idle between two requests.
	header, idle time.Duration
	// answer is for a whole request that is soon over. stalled is how long the reader of a log may take nothing: people stop
	// their terminals.
	answer, stalled time.Duration
	// short and lasting requests at a time.
	short, lasting int
	// reading is how old statistics may be: who asks in a loop makes no more work than that, and a scrape of several
	// endpoints sees one moment.
	reading time.Duration
	// reviews are questions to the API server in a second, and at once: whose a token is, for one address; what a user may do,
	// for one user. What is known costs none.
	reviews      rate.Limit
	reviewsBurst int
	// requests of one user in a second, and at once. What people do through the API server is its user's.
	requests      rate.Limit
	requestsBurst int
}

var defaults = limits{
	connections: 4096, perAddress: 2048, header: 10 * time.Second, idle: 2 * time.Minute, answer: 30 * time.Second, stalled: 10 * time.Minute,
	short: 64, lasting: 1024, reading: 500 * time.Millisecond, reviews: 20, reviewsBurst: 100, requests: 200, requestsBurst: 1000,
}

const maxHeaderBytes = 64 << 10

// reviewersKept is how long a budget is remembered.
const reviewersKept = 10 * time.Minute

var (
	errBusy     = errors.New("too many requests of unknown right, try again later")
	errBusyUser = errors.New("too many requests of this user, try again later")
)

// admit serves so many requests at a time as places has room for, and turns the others away at once: who waits holds a
// connection.
func admit(places chan struct{}, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			next(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "as many requests of this kind are under way as the node serves at a time, try again later", http.StatusTooManyRequests)
		}
	}
}

// hurry bounds how long a request takes to be read and its answer to be written: who reads slowly holds a place.
func (l *limits) hurry(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, end := http.NewResponseController(w), time.Now().Add(l.answer)
		_, _ = c.SetReadDeadline(end), c.SetWriteDeadline(end) // a writer without deadlines is no connection
		next(w, r)
	}
}

// budgets are of questions to the API server, by address and by user, and of the requests of users.
type budgets struct{ of *utilcache.Expiring }

// spend takes one off the budget that belongs to key; false when there is nothing left of it.
func (b budgets) spend(key string, perSecond rate.Limit, burst int) bool {
	known, ok := b.of.Get(key)
	if !ok {
		known = rate.NewLimiter(perSecond, burst)
		b.of.Set(key, known, reviewersKept)
	}
	return known.(*rate.Limiter).Allow()
}

// ofAddress and ofUser tell budgets apart: nobody chooses a user name that is an address.
func ofAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return "address " + host
}

func ofUser(what, name string) string { return what + " of user " + name }

// connLimit is a listener that closes connections over the limit at once: in a queue they would keep others waiting.
type connLimit struct {
	net.Listener
	limits *limits

	mu  sync.Mutex
	all int
	of  map[string]int
}

func newConnLimit(l net.Listener, limits *limits) *connLimit {
	return &connLimit{Listener: l, limits: limits, of: map[string]int{}}
}

// Accept implements net.Listener.
func (l *connLimit) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := c.RemoteAddr().String()
		if host, _, err := net.SplitHostPort(address); err == nil {
			address = host
		}
		if l.take(address) {
			return &limitedConn{Conn: c, release: sync.OnceFunc(func() { l.give(address) })}, nil
		}
		_ = c.Close() // nothing was said yet
	}
}

func (l *connLimit) take(address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= l.limits.connections || l.of[address] >= l.limits.perAddress {
		return false
	}
	l.all++
	l.of[address]++
	return true
}

func (l *connLimit) give(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.of[address]--; l.of[address] == 0 {
		delete(l.of, address)
	}
}

// limitedConn gives its place back when it is closed.
type limitedConn struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
