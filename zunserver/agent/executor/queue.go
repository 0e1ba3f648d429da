package executor

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// queue lets a limited number of creates and starts to the engine at a time. Who waits longest is not next: it is the capsule
// that was made first, so that in a burst a capsule that is begun is finished before the next is begun. It is safe for
// concurrent use.
type queue struct {
	mu      sync.Mutex
	free    int
	waiting waiters
}

type waiter struct {
	made  time.Time // when its capsule was
	index int       // in the heap, -1 when it is not there any more
	turn  chan struct{}
}

// wait returns when it is the turn of a capsule made at that time, or when ctx has ended. release gives the turn back.
func (q *queue) wait(ctx context.Context, made time.Time) (release func(), err error) {
	q.mu.Lock()
	if q.free > 0 {
		q.free--
		q.mu.Unlock()
		return q.leave, nil
	}
	w := &waiter{made: made, turn: make(chan struct{})}
	heap.Push(&q.waiting, w)
	q.mu.Unlock()
	select {
	case <-w.turn:
		return q.leave, nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	queued := w.index >= 0
	if queued {
		heap.Remove(&q.waiting, w.index)
	}
	q.mu.Unlock()
	if !queued {
		q.leave() // the turn came in the same moment
	}
	return nil, ctx.Err()
}

func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.free++
		return
	}
	close(heap.Pop(&q.waiting).(*waiter).turn)
}

// waiters implements heap.Interface.
type waiters []*waiter

func (w waiters) Len() int           { return len(w) }
func (w waiters) Less(i, j int) bool { return w[i].made.Before(w[j].made) }

func (w waiters) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].index, w[j].index = i, j
}

func (w *waiters) Push(x any) {
	x.(*waiter).index = len(*w)
	*w = append(*w, x.(*waiter))
}

func (w *waiters) Pop() any {
	last := (*w)[len(*w)-1]
	*w = (*w)[:len(*w)-1]
	last.index = -1
	return last
}
