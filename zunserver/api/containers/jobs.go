package containers

import (
	"context"
	"sync"
	"time"
)

// maxJobs is how many go on at a time.
const maxJobs = 64

// Jobs go on after the request that began them is answered, and no longer than the server. Make them with NewJobs. It is safe for
// concurrent use.
type Jobs struct {
	mu    sync.Mutex
	ctx   context.Context // nil while Run does not run
	count int
	done  sync.WaitGroup
}

// NewJobs begins nothing before Run.
func NewJobs() *Jobs { return &Jobs{} }

// Run lets jobs be until ctx ends, and returns when the last has ended because of that.
func (j *Jobs) Run(ctx context.Context) {
	j.mu.Lock()
	j.ctx = ctx
	j.mu.Unlock()
	<-ctx.Done()
	j.mu.Lock()
	j.ctx = nil
	j.mu.Unlock()
	j.done.Wait()
}

// Go begins a job that is to end within the time given; false: not now.
func (j *Jobs) Go(within time.Duration, job func(context.Context)) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ctx == nil || j.count >= maxJobs {
		return false
	}
	ctx, cancel := context.WithTimeout(j.ctx, within)
	j.count++
	j.done.Add(1)
	go func() {
		defer func() {
			cancel()
			j.mu.Lock()
			j.count--
			j.mu.Unlock()
			j.done.Done()
		}()
		job(ctx)
	}()
	return true
}
