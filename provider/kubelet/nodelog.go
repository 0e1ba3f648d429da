package kubelet

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	// nodeLogBytes is how much of its own log the node keeps.
	nodeLogBytes = 1 << 20
	nodeLogName  = "capsulet.log"
)

// nodeLog keeps the end of this process' log: /logs of a kubelet has the logs of its machine, and this is the log that a
// virtual node has. The zero value is an empty log. It is safe for concurrent use.
type nodeLog struct {
	mu    sync.Mutex
	lines [][]byte
	size  int
	at    time.Time // of the last line
}

// Levels implements logrus.Hook.
func (*nodeLog) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook.
func (l *nodeLog) Fire(e *logrus.Entry) error {
	line, err := e.Bytes()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines, l.size, l.at = append(l.lines, bytes.Clone(line)), l.size+len(line), e.Time
	for l.size > nodeLogBytes && len(l.lines) > 1 {
		l.size -= len(l.lines[0])
		l.lines = l.lines[1:]
	}
	return nil
}

func (l *nodeLog) content() ([]byte, time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Join(l.lines, nil), l.at
}

// systemLogs serves /logs: a directory with one file.
func (k *Server) systemLogs(w http.ResponseWriter, r *http.Request) {
	switch file := r.PathValue("file"); {
	case r.URL.Query().Has("query"):
		http.Error(w, "query: capsulet has the one file "+nodeLogName+" and no journal", http.StatusBadRequest)
	case file == nodeLogName:
		text, at := k.log.content()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		http.ServeContent(w, r, "", at, bytes.NewReader(text))
	case r.URL.Path == "/logs":
		http.Redirect(w, r, "/logs/", http.StatusMovedPermanently)
	case file == "":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, "<pre>\n<a href=%q>%s</a>\n</pre>\n", nodeLogName, nodeLogName) // the asker is gone if this fails
	default:
		http.NotFound(w, r)
	}
}
