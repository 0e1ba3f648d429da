package sockets

import (
	"net/url"
	"strings"

	"github.com/capsulet/capsulet/zunserver/api/rest"
)

// noPort is what python-zunclient puts behind the host of an address without a port.
const noPort = ":None"

// fromElsewhere says why a page must not open a socket here; empty when it may, or when it is no page that asks. As in Zun the
// host's name has to be that of the request, of the sockets' URL, or one of the configured, and http pages do not get at a socket
// of TLS.
func (p *Proxy) fromElsewhere(c *rest.Call) string {
	origins := c.R.Header.Values("Origin")
	if len(origins) == 0 {
		return ""
	}
	from, err := url.Parse(strings.TrimSuffix(origins[0], noPort))
	if len(origins) > 1 || err != nil || from.Scheme == "" || from.Hostname() == "" {
		return "the header Origin is no origin"
	}
	if !p.welcome(from, c.R.Host) {
		return "pages of this origin may not join terminals of this host"
	}
	secure := strings.HasPrefix(p.base(c), "wss:")
	if from.Scheme == "https" || from.Scheme == "wss" || !secure && (from.Scheme == "http" || from.Scheme == "ws") {
		return ""
	}
	return "the scheme of the origin is not that of this host"
}

func (p *Proxy) welcome(from *url.URL, host string) bool {
	here := url.URL{Host: host}
	if strings.EqualFold(from.Hostname(), here.Hostname()) {
		return true
	}
	if public, err := url.Parse(p.URL); err == nil && public.Host != "" && strings.EqualFold(from.Hostname(), public.Hostname()) {
		return true // a proxy may ask for another host than its client
	}
	for _, allowed := range p.Origins {
		if strings.EqualFold(allowed, from.Hostname()) || strings.EqualFold(strings.TrimSuffix(allowed, "/"), from.Scheme+"://"+from.Host) {
			return true
		}
	}
	return false
}
