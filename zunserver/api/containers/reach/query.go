package reach

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/capsulet/capsulet/zunserver/api/containers/target"
	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// maxText is how much a log, or the output of a command, may have: it is one string of JSON.
const maxText = 16 << 20

// buffer takes text up to a limit, and is then over. It may be written to from several goroutines if it is the same writer for all.
type buffer struct {
	bytes.Buffer
	over bool
}

func (b *buffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxText {
		b.over = true
		return 0, io.ErrShortBuffer
	}
	return b.Buffer.Write(p)
}

func tooLong(what string) error {
	return rest.Refuse(http.StatusRequestEntityTooLarge, "request-too-large", "The %s is longer than %d bytes", what, maxText)
}

type logsQuery struct {
	Stdout     bool   `query:"stdout" description:"With the standard output; true when not given."`
	Stderr     bool   `query:"stderr" description:"With the standard error; true when not given."`
	Timestamps bool   `query:"timestamps" description:"A time before each line."`
	Tail       string `query:"tail" description:"The number of last lines, or all."`
	Since      string `query:"since" description:"Seconds since 1970, RFC 3339, or 2006-01-02 15:04:05,000."`
}

// logs is GET /v1/containers/{id}/logs: a string.
func (r *Resource) logs(c *rest.Call) error {
	p, err := target.ParamsOf(c, "stdout", "stderr", "timestamps", "tail", "since")
	if err != nil {
		return err
	}
	opts, tail, err := logOptions(p)
	if err != nil {
		return err
	}
	t, err := r.Look(c, "logs")
	if err != nil {
		return err
	}
	text := ""
	if opts != nil {
		b := &buffer{}
		err = r.Streams.Logs(c.R.Context(), t.Record, t.Name, false, *opts, b, b)
		if b.over {
			return tooLong("log: ask for less with tail or since; it")
		}
		if err != nil {
			return fmt.Errorf("read the log of container %s: %w", t.Spec().UUID, err)
		}
		text = lastLines(b.String(), tail)
	}
	return c.JSON(http.StatusOK, text)
}

// logOptions reads what of a log is wanted; nil is nothing. tail, unless negative, is still to be cut: the engines count the lines
// of both outputs.
func logOptions(p target.Params) (o *capsule.LogOptions, tail int64, err error) {
	o, tail = &capsule.LogOptions{Tail: -1}, -1
	stdout, err := p.Truth("stdout", true)
	if err != nil {
		return nil, -1, err
	}
	stderr, err := p.Truth("stderr", true)
	if err != nil {
		return nil, -1, err
	}
	if o.Timestamps, err = p.Truth("timestamps", false); err != nil {
		return nil, -1, err
	}
	if o.Since, err = sinceOf(p); err != nil {
		return nil, -1, err
	}
	if p["tail"] != "all" {
		n, given, err := p.Whole("tail", 0)
		if err != nil {
			return nil, -1, err
		}
		if given {
			tail = n
		}
	}
	switch {
	case !stdout && !stderr:
		return nil, -1, nil
	case stdout && stderr:
		o.Tail, tail = tail, -1
	case stdout:
		o.Stream = capsule.Stdout
	default:
		o.Stream = capsule.Stderr
	}
	return o, tail, nil
}

// sinceForm is the only one that Zun knows besides seconds (zun/container/docker/driver.py, show_logs).
var sinceForm = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{1,6}$`)

func sinceOf(p target.Params) (time.Time, error) {
	if n, ok := p["since"].(float64); ok {
		return time.Unix(int64(n), 0).UTC(), nil
	}
	text, err := p.Text("since")
	if err != nil || text == "" {
		return time.Time{}, err
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 && n < 1<<40 {
		return time.Unix(n, 0).UTC(), nil
	}
	if sinceForm.MatchString(text) {
		if t, err := time.Parse("2006-01-02 15:04:05,999999", text); err == nil {
			return t, nil
		}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, rest.InvalidField("since", "Value: '%.64s'. It is no time", text)
	}
	return t, nil
}

// lastLines cuts the last n lines of a text; all when n is negative.
func lastLines(text string, n int64) string {
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	if n < 0 || n > int64(len(lines)) {
		return text
	}
	return strings.Join(lines[int64(len(lines))-n:], "")
}

type topQuery struct {
	PsArgs string `query:"ps_args" description:"Arguments for ps; -ef when not given."`
}

// top is GET /v1/containers/{id}/top.
func (r *Resource) top(c *rest.Call) error {
	p, err := target.ParamsOf(c, "ps_args")
	if err != nil {
		return err
	}
	args, err := p.Text("ps_args")
	if err != nil {
		return err
	}
	t, err := r.Look(c, "top")
	if err != nil {
		return err
	}
	table, err := r.Control.Processes(c.R.Context(), t.Record, t.Name, args)
	if err != nil {
		return fmt.Errorf("list the processes of container %s: %w", t.Spec().UUID, err)
	}
	return c.JSON(http.StatusOK, table)
}

// usage is one reading of what a container uses (zun/container/docker/driver.py, stats). CPU is of one core, as docker stats has it: Zun's
// figure is a share of all CPU time since the host was booted, which says nothing.
type usage struct {
	Container string  `json:"CONTAINER"`
	CPU       float64 `json:"CPU %"`
	Memory    float64 `json:"MEM USAGE(MiB)"`
	Limit     float64 `json:"MEM LIMIT(MiB)"`
	Share     float64 `json:"MEM %"`
	Block     string  `json:"BLOCK I/O(B)"`
	Net       string  `json:"NET I/O(B)"`
}

// stats is GET /v1/containers/{id}/stats.
func (r *Resource) stats(c *rest.Call) error {
	if err := target.Known(c); err != nil {
		return err
	}
	t, err := r.Look(c, "stats")
	if err != nil {
		return err
	}
	report := r.Stats.Stats(c.R.Context(), []*capsule.Capsule{t.Record})
	i := slices.IndexFunc(report.Capsules, func(s capsule.Stats) bool { return s.UUID == t.Record.UUID })
	if i < 0 {
		return rest.Refuse(http.StatusServiceUnavailable, "service-unavailable", "The statistics of container %s cannot be read now", t.Spec().UUID)
	}
	one := report.Capsules[i]
	j := slices.IndexFunc(one.Containers, func(s capsule.ContainerStats) bool { return s.Name == t.Name })
	if j < 0 {
		return rest.Refuse(http.StatusServiceUnavailable, "service-unavailable", "The statistics of container %s cannot be read now", t.Spec().UUID)
	}
	limit := t.Spec().Resources.Limits.Memory().Value()
	if limit == 0 {
		if limit, err = r.memoryOf(c.R.Context(), t.Record.Claim.Host); err != nil {
			return err
		}
	}
	return c.JSON(http.StatusOK, usageOf(t, &one, &one.Containers[j], limit))
}

func usageOf(t target.Target, whole *capsule.Stats, s *capsule.ContainerStats, limit int64) usage {
	const mebibyte = 1 << 20
	u := usage{
		Memory: float64(s.WorkingSetBytes) / mebibyte, Limit: float64(limit) / mebibyte,
	}
	u.Container = t.Spec().Name
	if own := t.Own(); own != nil {
		u.Container = own.Name
	}
	switch lived := s.At.Sub(s.StartedAt); {
	case s.CPUNanoCores != nil:
		u.CPU = float64(*s.CPUNanoCores) / 1e7
	case lived > 0:
		u.CPU = float64(s.CPUNanos) / float64(lived) * 100
	}
	if limit > 0 {
		u.Share = float64(s.WorkingSetBytes) / float64(limit) * 100
	}
	var in, out uint64
	for _, n := range whole.Network {
		in, out = in+n.RxBytes, out+n.TxBytes
	}
	read, written := s.DiskBytes()
	u.Block = fmt.Sprintf("%d/%d", read, written)
	u.Net = fmt.Sprintf("%d/%d", in, out)
	return u
}

// memoryOf is the memory of a host, 0 when it is not known.
func (r *Resource) memoryOf(ctx context.Context, name string) (int64, error) {
	hosts, _, err := r.Hosts.Hosts(ctx)
	if err != nil {
		return 0, fmt.Errorf("list hosts: %w", err)
	}
	for i := range hosts {
		if hosts[i].Name == name {
			return hosts[i].MemoryBytes, nil
		}
	}
	return 0, nil
}
