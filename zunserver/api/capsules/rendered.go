package capsules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/capsulet/capsulet/zunserver/api/rest"
	"github.com/capsulet/capsulet/zunserver/api/view"
	"github.com/capsulet/capsulet/zunserver/capsule"
)

// maxRendered is how many bytes are kept at most.
const maxRendered = 16 << 20

// rendered keeps the JSON of capsules as lists and watches show them, for all callers who see the same. What is shown depends on the
// time, whose unit is a second ("Up 5 seconds"), so that nothing is kept for longer. The zero value is empty. It is safe for concurrent use.
type rendered struct {
	mu     sync.Mutex
	second int64
	kept   map[rendering][]byte
	bytes  int
}

// rendering is all that the JSON of a capsule depends on, besides the second.
type rendering struct {
	uuid     string
	revision int64
	native   bool
	options  view.Options // without the time
}

// rendered is the JSON of a capsule in the native form, or in Zun's with these options. Nobody changes it.
func (r *Resource) rendered(one *capsule.Capsule, native bool, o view.Options) ([]byte, error) {
	key := rendering{uuid: one.UUID, revision: one.Revision, native: native}
	if !native {
		key.options = o
		key.options.Now = time.Time{}
	}
	return r.cache.get(key, o.Now.Unix(), func() ([]byte, error) {
		if native {
			return marshal(view.Native(one))
		}
		return marshal(view.Capsule(one, o))
	})
}

func (k *rendered) get(key rendering, second int64, render func() ([]byte, error)) ([]byte, error) {
	k.mu.Lock()
	if k.second != second || k.bytes > maxRendered {
		k.second, k.kept, k.bytes = second, map[rendering][]byte{}, 0
	}
	b, ok := k.kept[key]
	k.mu.Unlock()
	if ok {
		return b, nil
	}
	b, err := render()
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.second == second {
		k.kept[key] = b
		k.bytes += len(b)
	}
	return b, nil
}

// marshal is as [rest.Call.JSON] writes it.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// writePage answers with a view.CapsuleList or a nativeList, whose other field is last.
func (r *Resource) writePage(c *rest.Call, page []*capsule.Capsule, last string, value any) error {
	o := view.For(c, r.Now())
	return c.Written(func(b *bytes.Buffer) error {
		b.WriteString(`{"capsules":[`)
		for i, one := range page {
			text, err := r.rendered(one, c.Native, o)
			if err != nil {
				return err
			}
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(text)
		}
		text, err := marshal(value)
		fmt.Fprintf(b, "],%q:%s}\n", last, text)
		return err
	})
}
