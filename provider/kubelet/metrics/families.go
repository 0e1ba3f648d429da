package metrics

import (
	"time"

	dto "github.com/prometheus/client_model/go"
)

// family is a name under which there are samples.
type family struct {
	name, help string
	kind       dto.MetricType
}

func counter(name, help string) *family { return &family{name, help, dto.MetricType_COUNTER} }
func gauge(name, help string) *family   { return &family{name, help, dto.MetricType_GAUGE} }

// families gathers samples. The order of names is that of their first sample.
type families struct {
	list []*dto.MetricFamily
	of   map[*family]*dto.MetricFamily
}

func newFamilies() *families { return &families{of: map[*family]*dto.MetricFamily{}} }

// labels are pairs of a name and a value. They may be shared by samples.
func labels(pairs ...string) []*dto.LabelPair {
	values := make([]dto.LabelPair, len(pairs)/2)
	list := make([]*dto.LabelPair, len(values))
	for i := range values {
		values[i].Name, values[i].Value = &pairs[2*i], &pairs[2*i+1]
		list[i] = &values[i]
	}
	return list
}

// add adds a sample that was taken then, or now when the time is zero.
func (f *families) add(of *family, labels []*dto.LabelPair, value float64, at time.Time) {
	mf := f.of[of]
	if mf == nil {
		mf = &dto.MetricFamily{Name: &of.name, Help: &of.help, Type: &of.kind}
		f.of[of] = mf
		f.list = append(f.list, mf)
	}
	m := sample(of.kind, value, at)
	m.Label = labels
	mf.Metric = append(mf.Metric, m)
}

// sample has its parts in one piece of memory, as there are thousands of them.
func sample(kind dto.MetricType, value float64, at time.Time) *dto.Metric {
	s := &struct {
		m       dto.Metric
		counter dto.Counter
		gauge   dto.Gauge
		value   float64
		ms      int64
	}{value: value}
	if kind == dto.MetricType_COUNTER {
		s.m.Counter, s.counter.Value = &s.counter, &s.value
	} else {
		s.m.Gauge, s.gauge.Value = &s.gauge, &s.value
	}
	if !at.IsZero() {
		s.ms = at.UnixMilli()
		s.m.TimestampMs = &s.ms
	}
	return &s.m
}

// failed is the sample that says whether a reading lacks something.
func (f *families) failed(of *family, err error) {
	v := 0.0
	if err != nil {
		v = 1
	}
	f.add(of, nil, v, time.Time{})
}

func seconds(nanos uint64) float64 { return float64(nanos) / 1e9 }

func since1970(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }
